using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// A file of flow tables that is of another layout, other sizes or another number of workers than are wanted: it is read entry by entry, and stays
/// as it is until the file that takes its place is complete.
/// </summary>
internal sealed class FormerFile(MappedMemory memory, FlowLayout layout, FlowFileHead head) : IDisposable
{
    public FlowFileHead Head => head;

    /// <summary>What it holds now: each reading begins anew, and sees what its owner has changed since.</summary>
    public FormerFlows Read() => new(ReadConntrack(), ReadSnat(), ReadAffinities(), ReadFragments());

    /// <summary>This process has it, so that no other one converts it too.</summary>
    public void Own(FlowFileHead own) => own.WriteTo(memory.Span((long)(own.Generation & 1) * FlowFileHead.Length, FlowFileHead.Length));

    public void Dispose() => memory.Dispose();

    private IEnumerable<ConntrackEntry> ReadConntrack() => ReadTables(
        worker => layout.ConntrackOffset(worker, head.Sizes), head.Sizes.Conntrack, layout.ConntrackLength, layout.ReadConntrack, (in ConntrackEntry e) => (e.Flags & ConntrackFlags.Used) != 0);

    private IEnumerable<SnatEntry> ReadSnat() => ReadTables(
        worker => layout.SnatOffset(worker, head.Sizes), head.Sizes.Snat, SnatEntry.Length, MemoryMarshal.Read<SnatEntry>, (in SnatEntry e) => e.IsUsed);

    private IEnumerable<AffinityEntry> ReadAffinities() => ReadTables(
        worker => layout.AffinityOffset(worker, head.Sizes), head.Sizes.AffinityPlaces, AffinityEntry.Length, MemoryMarshal.Read<AffinityEntry>, (in AffinityEntry e) => e.Frontend != 0, isFilledInOrder: false);

    private IEnumerable<FragmentEntry> ReadFragments() => ReadTables(
        worker => layout.FragmentOffset(worker, head.Sizes), head.Sizes.Fragments, FragmentEntry.Length, MemoryMarshal.Read<FragmentEntry>, (in FragmentEntry e) => e.Expires != 0, isFilledInOrder: false);

    private delegate T Reader<T>(ReadOnlySpan<byte> record);

    private delegate bool Test<T>(in T entry);

    /// <summary>The entry whose writer was killed over it is left out.</summary>
    private IEnumerable<T> ReadTables<T>(Func<int, long> offsetOf, int count, int length, Reader<T> read, Test<T> isUsed, bool isFilledInOrder = true)
        where T : unmanaged
    {
        for (int worker = 0; worker < head.WorkerCount; worker++)
        {
            long start = offsetOf(worker);
            TableHead table = MemoryMarshal.Read<TableHead>(memory.Span(start, FlowLayout.TableHeadLength));
            int usedCount = isFilledInOrder && table.UsedCount == ~table.UsedInverted && (uint)table.UsedCount <= (uint)count ? table.UsedCount : count;
            for (int i = 0; i < usedCount; i++)
            {
                T entry = read(memory.Span(start + FlowLayout.TableHeadLength + ((long)i * length), length));
                if (i != table.Written - 1 && isUsed(entry))
                {
                    yield return entry;
                }
            }
        }
    }
}
