namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Entries of one worker's flow tables.</summary>
/// <param name="AffinityPlaces">See <see cref="AffinityTable.PlacesFor"/>.</param>
public readonly record struct FlowSizes(int Conntrack, int Snat, int AffinityPlaces, int Fragments)
{
    /// <summary>Bytes of each of them, head included.</summary>
    public int ConntrackLength => TableMemory.LengthOf<ConntrackEntry>(Conntrack);

    public int SnatLength => TableMemory.LengthOf<SnatEntry>(Snat);

    public int AffinityLength => TableMemory.LengthOf<AffinityEntry>(AffinityPlaces);

    public int FragmentLength => TableMemory.LengthOf<FragmentEntry>(Fragments);

    /// <summary>Bytes of all of them.</summary>
    public long MemoryLength => (long)ConntrackLength + SnatLength + AffinityLength + FragmentLength;

    public static FlowSizes For(int conntrackCapacity, int snatCapacity, int affinityCapacity) =>
        new(conntrackCapacity, snatCapacity, AffinityTable.PlacesFor(affinityCapacity), LiveTables.FragmentCapacity);
}
