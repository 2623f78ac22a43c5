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

    public ushort IsUsed;

    /// <summary>The flow as the world sees it.</summary>
    public readonly FlowKey Translated => Forward.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6
        ? Forward with { Source = NatAddress, DestinationPort = Forward.DestinationPort == 0 ? (ushort)0 : NatPort, SourcePort = Forward.SourcePort == 0 ? (ushort)0 : NatPort }
        : Forward with { Source = NatAddress, SourcePort = NatPort };
}
