namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What flow tables of another layout, other sizes or another number of workers hold: entries in use, in no order that means anything.</summary>
public sealed record FormerFlows(
    IEnumerable<ConntrackEntry> Conntrack, IEnumerable<SnatEntry> Snat, IEnumerable<AffinityEntry> Affinities, IEnumerable<FragmentEntry> Fragments);
