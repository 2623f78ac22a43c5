namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>What happened from one end to another within the span of a map.</summary>
internal sealed class FlowMapArrow
{
    private readonly SortedDictionary<int, int> _reasons = [];

    /// <summary>Flows that began.</summary>
    public int Flows { get; private set; }

    public int Forwarded { get; private set; }

    public int Dropped { get; private set; }

    /// <summary>Of the newest event, in nanoseconds since 1970-01-01 UTC.</summary>
    public long Last { get; private set; }

    /// <summary>Drops by reason.</summary>
    public IReadOnlyDictionary<int, int> Reasons => _reasons;

    public void AddForwarded(bool begins, long time)
    {
        Forwarded++;
        Flows += begins ? 1 : 0;
        Last = Math.Max(Last, time);
    }

    public void AddDrop(int reason, long time)
    {
        Dropped++;
        _reasons[reason] = _reasons.GetValueOrDefault(reason) + 1;
        Last = Math.Max(Last, time);
    }
}
