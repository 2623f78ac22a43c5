using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What the stages decided about a flow's packets in one direction, and on what that rests. 120 bytes, no references.</summary>
public record struct ShortcutEntry
{
    /// <summary>Bytes in memory; asserted by a test.</summary>
    public const int Length = 120;

    /// <summary>The flow as its packets come in; the ingress port stands in the reserved part.</summary>
    public FlowKey Key;

    /// <summary>The state of the configuration for which all this holds; see <see cref="ShortcutTable"/>.</summary>
    public uint Epoch;

    public int FlowIndex;

    public uint FlowGeneration;

    /// <summary>The client's choice of backend in conntrack, -1 when no frontend is concerned.</summary>
    public int ChoiceIndex;

    public uint ChoiceGeneration;

    /// <summary>The client's session, -1 when the frontend has no session affinity.</summary>
    public int AffinityIndex;

    public uint AffinityGeneration;

    /// <summary>Number of the route's target.</summary>
    public int Target;

    /// <summary>The source that the packet leaves with.</summary>
    public IpAddress Source;

    public IpAddress Destination;

    public ushort SourcePort;

    public ushort DestinationPort;

    /// <summary>What the addresses change in the checksums, folded to 16 bits, and what the ports.</summary>
    public ushort AddressSum;

    public ushort PortSum;

    /// <summary>Where the next hop was in the neighbour table.</summary>
    public ushort Neighbor;

    public ShortcutFlags Flags;

    /// <summary>Keeps the size a multiple of eight.</summary>
    public byte Reserved;
}
