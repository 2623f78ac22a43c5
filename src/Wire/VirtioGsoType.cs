namespace ClusterMesh.Datapath.Wire;

/// <summary>VIRTIO_NET_HDR_GSO_*; <see cref="Ecn"/> is a flag beside TCP, the tunnels are flags beside all.</summary>
[Flags]
public enum VirtioGsoType : byte
{
    None = 0,
    Tcp4 = 1,
    Udp = 3,
    Tcp6 = 4,
    UdpL4 = 5,

    /// <summary>The super-packet lies in a UDP tunnel over IPv4 (VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4): checksum and cutting are the inner frame's.</summary>
    TunnelIpv4 = 0x20,

    /// <summary>The same over IPv6.</summary>
    TunnelIpv6 = 0x40,

    /// <summary>A tunnel that has not the headers of <see cref="OuterHeaders"/>; no device says this.</summary>
    TunnelOther = TunnelIpv4 | TunnelIpv6,
    Ecn = 0x80,

    /// <summary>Everything that stands beside the kind of segments.</summary>
    Flags = Ecn | TunnelOther,
}
