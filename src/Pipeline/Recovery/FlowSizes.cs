namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Entries of one worker's flow tables.</summary>
/// <param name="AffinityPlaces">See <see cref="AffinityTable.PlacesFor"/>.</param>
public readonly record struct FlowSizes(int Conntrack, int Snat, int AffinityPlaces, int Fragments)
{
    public static FlowSizes For(int conntrackCapacity, int snatCapacity, int affinityCapacity) =>
        new(conntrackCapacity, snatCapacity, AffinityTable.PlacesFor(affinityCapacity), LiveTables.FragmentCapacity);
}
