namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Entries in memory of the process, which end with it.</summary>
public sealed class ArrayRows<T> : TableRows<T>
    where T : unmanaged
{
    private readonly T[] _entries;
    private readonly TableHead[] _head;

    /// <summary>Fresh entries, their memory there before it is used.</summary>
    public ArrayRows(int count)
        : this(GC.AllocateUninitializedArray<T>(count), new TableHead[1], isKept: false) => Array.Clear(_entries);

    /// <param name="head">One.</param>
    /// <param name="isKept">They are another table's, to be taken up.</param>
    public ArrayRows(T[] entries, TableHead[] head, bool isKept)
        : base(entries.Length, isKept)
    {
        _entries = entries;
        _head = head;
    }

    public override Span<T> Entries => _entries;

    protected override ref TableHead Head => ref _head[0];
}
