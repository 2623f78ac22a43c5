namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where the entries of one worker's flow tables lie.</summary>
public sealed record FlowMemory(
    TableRows<ConntrackEntry> Conntrack, TableRows<SnatEntry> Snat, TableRows<AffinityEntry> Affinities, TableRows<FragmentEntry> Fragments);
