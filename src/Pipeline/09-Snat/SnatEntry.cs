using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>One masqueraded flow: as the client sends it, and the source that the world sees. 64 bytes, no references.</summary>
public record struct SnatEntry
{
    /// <summary>Bytes in memory; asserted by a test.</summary>
    public const int Length = 64;

    public FlowKey Forward;

    public IpAddress NatAddress;

    /// <summary>Second of the monotonic clock. In an unused entry: the next unused one.</summary>
    public uint Created;

    /// <summary>Source port, or id of an ICMP echo, that the world sees.</summary>
    public ushort NatPort;

    public bool IsUsed;

    /// <summary>Of direct server return: an answer as the backend sends it, and the service that the client knows. No packet comes back to that.</summary>
    public bool IsReturn;

    /// <summary>The flow as the world sees it. An echo request's id is its destination port, also when the client's id is 0.</summary>
    public readonly FlowKey Translated => Forward.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 && Forward.SourcePort == 0
        ? Forward with { Source = NatAddress, DestinationPort = NatPort }
        : Forward with { Source = NatAddress, SourcePort = NatPort };
}
