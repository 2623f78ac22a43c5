namespace ClusterMesh.Datapath.Wire;

/// <summary>ICMP and ICMPv6 messages by what the datapath does with them.</summary>
public enum IcmpKind
{
    /// <summary>No transport of the ICMP family, or a message that is only passed on.</summary>
    Other,
    EchoRequest,
    EchoReply,

    /// <summary>Quotes the packet it complains of: destination unreachable, packet too big, time exceeded, parameter problem.</summary>
    Error,

    /// <summary>RFC 4861: types 133 to 137.</summary>
    NeighborDiscovery,
}
