namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where the entries of one worker's flow tables lie: conntrack, SNAT, sessions and fragments, in this order.</summary>
public sealed class FlowMemory
{
    private FlowMemory(
        TableRows<ConntrackEntry> conntrack, TableRows<SnatEntry> snat, TableRows<AffinityEntry> affinities, TableRows<FragmentEntry> fragments)
    {
        Conntrack = conntrack;
        Snat = snat;
        Affinities = affinities;
        Fragments = fragments;
    }

    public TableRows<ConntrackEntry> Conntrack { get; }

    public TableRows<SnatEntry> Snat { get; }

    public TableRows<AffinityEntry> Affinities { get; }

    public TableRows<FragmentEntry> Fragments { get; }

    public static FlowMemory OfProcess(in FlowSizes sizes) => new(
        TableMemory.OfProcess<ConntrackEntry>(sizes.Conntrack),
        TableMemory.OfProcess<SnatEntry>(sizes.Snat),
        TableMemory.OfProcess<AffinityEntry>(sizes.AffinityPlaces),
        TableMemory.OfProcess<FragmentEntry>(sizes.Fragments));

    /// <param name="conntrack">Stays where it is as long as <paramref name="owner"/> lives, as the others do.</param>
    /// <param name="isKept">It holds what another process left.</param>
    public static FlowMemory Over(
        in FlowSizes sizes, Span<byte> conntrack, Span<byte> snat, Span<byte> affinities, Span<byte> fragments, object owner, bool isKept) => new(
            TableMemory.Over<ConntrackEntry>(conntrack, sizes.Conntrack, owner, isKept),
            TableMemory.Over<SnatEntry>(snat, sizes.Snat, owner, isKept),
            TableMemory.Over<AffinityEntry>(affinities, sizes.AffinityPlaces, owner, isKept),
            TableMemory.Over<FragmentEntry>(fragments, sizes.Fragments, owner, isKept));
}
