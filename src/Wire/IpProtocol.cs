namespace ClusterMesh.Datapath.Wire;

/// <summary>IANA protocol numbers that the datapath tells apart.</summary>
public enum IpProtocol : byte
{
    HopByHop = 0,
    Icmp = 1,
    Tcp = 6,
    Udp = 17,
    Routing = 43,
    Fragment = 44,

    /// <summary>IPsec's authentication header (RFC 4302); with IPv6 an extension header.</summary>
    Authentication = 51,
    Icmpv6 = 58,
    NoNext = 59,
    DestinationOptions = 60,
    Sctp = 132,
}
