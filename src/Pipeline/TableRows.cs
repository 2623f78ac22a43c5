using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The entries of a flow table, in memory that does not move: the process's own, or a mapped file that outlives it (docs/decisions/0050). Before the
/// entries stands a head of 64 bytes: how many entries from the first on were ever used, and which one is being written, so that whoever finds the
/// memory behind a process that was killed knows the one entry that may be half there. Belongs to the table's owner.
/// </summary>
public readonly unsafe struct TableRows<T>
    where T : unmanaged
{
    private readonly T* _start;
    private readonly int* _usedCount;
    private readonly int* _written;
    private readonly object _owner;

    /// <param name="memory">Stays where it is as long as <paramref name="owner"/> lives.</param>
    internal TableRows(Span<byte> memory, int count, object owner, bool isKept)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(memory.Length, TableMemory.LengthOf<T>(count));
        byte* head = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(memory));
        _usedCount = (int*)head;
        _written = (int*)head + 1;
        _start = (T*)(head + TableMemory.HeadLength);
        _owner = owner;
        Length = count;
        IsKept = isKept;
    }

    public int Length { get; }

    /// <summary>What lies here was written by another process; the table has to look through it.</summary>
    public bool IsKept { get; }

    /// <summary>Entries from the first on of which each was in use at some time. It stands there twice, the second time inverted.</summary>
    public int UsedCount
    {
        get => *_usedCount;
        set
        {
            *_usedCount = value;
            _usedCount[2] = ~value;
        }
    }

    public ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if ((uint)index >= (uint)Length)
            {
                ThrowOutside(index);
            }

            return ref _start[index];
        }
    }

    /// <summary>An entry's bytes change from here to <see cref="EndWrite"/>, in more than one step.</summary>
    public void BeginWrite(int index) => Volatile.Write(ref *_written, index + 1);

    public void EndWrite() => Volatile.Write(ref *_written, 0);

    /// <summary>The entry whose writer did not come to its end, or -1; it is forgotten by asking.</summary>
    public int TakeInterrupted()
    {
        int index = *_written - 1;
        *_written = 0;
        return index;
    }

    /// <summary>Behind another process: how many entries have to be looked at, which are all where it does not say.</summary>
    public int CountUsed()
    {
        int count = *_usedCount;
        UsedCount = (uint)count <= (uint)Length && (count == ~_usedCount[2] || (count == 0 && _usedCount[2] == 0)) ? count : Length;
        return UsedCount;
    }

    /// <summary>Begins anew: no entry was ever used.</summary>
    public void Clear()
    {
        new Span<byte>(_usedCount, TableMemory.LengthOf<T>(Length)).Clear();
        GC.KeepAlive(_owner);
    }

    private void ThrowOutside(int index) => throw new ArgumentOutOfRangeException(nameof(index), index, $"there are {Length} entries");
}
