namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What a change makes of the objects of one kind: as long as the change, however many objects there are.</summary>
/// <param name="Gone">Objects as they were that are removed or become others.</param>
/// <param name="Come">Objects as they are wanted that are new or were others, in the order of the request.</param>
/// <param name="ChangedCount">Names that are added, removed or mean something else now.</param>
public sealed record KindDifference<TSpec>(IReadOnlyList<TSpec> Gone, IReadOnlyList<TSpec> Come, int ChangedCount)
{
    /// <summary>No change.</summary>
    public KindDifference()
        : this([], [], 0)
    {
    }

    public bool IsEmpty => ChangedCount == 0;
}
