namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What a change does to the objects of one kind. One that is different now is in both lists: as it was and as it is.</summary>
public sealed class SpecDelta<TSpec>
{
    public List<TSpec> Removed { get; } = [];

    public List<TSpec> Added { get; } = [];

    public bool IsEmpty => Removed.Count == 0 && Added.Count == 0;

    /// <summary>Objects that differ, each once.</summary>
    public int ObjectCount(Func<TSpec, object> keyOf) => Added.Concat(Removed).Select(keyOf).Distinct().Count();
}
