using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>Entries of a flow table in a mapped file, behind a head of 64 bytes. The memory is the file's, and stays mapped until the process ends.</summary>
internal sealed unsafe class MappedRows<T> : TableRows<T>
    where T : unmanaged
{
    private readonly TableHead* _head;
    private readonly T* _entries;

    /// <param name="offset">Where the head stands, a multiple of 64.</param>
    /// <param name="isKept">It holds what another process left; else it is all zero.</param>
    public MappedRows(MappedMemory memory, long offset, int count, bool isKept)
        : base(count, isKept)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + FlowLayout.TableHeadLength + ((long)count * sizeof(T)), memory.Length);
        _head = (TableHead*)(memory.Start + offset);
        _entries = (T*)(memory.Start + offset + FlowLayout.TableHeadLength);
    }

    public override Span<T> Entries => new(_entries, Length);

    protected override ref TableHead Head => ref *_head;
}
