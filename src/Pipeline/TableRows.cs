namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The entries of a flow table: an array of the process (<see cref="ArrayRows{T}"/>), or a mapped file that outlives it (src/Io). A head says how
/// many entries from the first on were ever used, and which one is being written, so that whoever finds the memory behind a process that was killed
/// knows the one entry that may be half there. Belongs to the table's owner. docs/decisions/0053 has what the call costs.
/// </summary>
/// <param name="length">Entries.</param>
/// <param name="isKept">What lies here was written by another process; the table has to look through it.</param>
public abstract class TableRows<T>(int length, bool isKept)
    where T : unmanaged
{
    public int Length { get; } = length;

    /// <summary>What lies here was written by another process; the table has to look through it.</summary>
    public bool IsKept { get; } = isKept;

    /// <summary>Entries from the first on of which each was in use at some time. It stands there twice, the second time inverted.</summary>
    public int UsedCount
    {
        get => Head.UsedCount;
        set
        {
            ref TableHead head = ref Head;
            head.UsedCount = value;
            head.UsedInverted = ~value;
        }
    }

    /// <summary>All of them, by number. Whoever looks at several asks once.</summary>
    public abstract Span<T> Entries { get; }

    public ref T this[int index] => ref Entries[index];

    protected abstract ref TableHead Head { get; }

    /// <summary>An entry's bytes change from here to <see cref="EndWrite"/>, in more than one step.</summary>
    public void BeginWrite(int index) => Volatile.Write(ref Head.Written, index + 1);

    public void EndWrite() => Volatile.Write(ref Head.Written, 0);

    /// <summary>The entry whose writer did not come to its end, or -1; it is forgotten by asking.</summary>
    public int TakeInterrupted()
    {
        int index = Head.Written - 1;
        Head.Written = 0;
        return index;
    }

    /// <summary>Behind another process: how many entries have to be looked at, which are all where it does not say.</summary>
    public int CountUsed()
    {
        TableHead head = Head;
        bool isSaid = head.UsedCount == ~head.UsedInverted || head is { UsedCount: 0, UsedInverted: 0 };
        UsedCount = (uint)head.UsedCount <= (uint)Length && isSaid ? head.UsedCount : Length;
        return UsedCount;
    }
}
