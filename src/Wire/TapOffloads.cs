namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// What the reader of a TAP can take (TUN_F_* of linux/if_tun.h): the kernel may then hand over partial checksums and super-packets.
/// TSO and USO need <see cref="Checksum"/>; USO of both families goes together. Those of tunnels need a longer virtio
/// header (<see cref="VirtioTunnelHeader"/>): without it the kernel takes them and then fails every read.
/// </summary>
[Flags]
public enum TapOffloads
{
    None = 0,
    Checksum = 0x01,
    TcpIpv4 = 0x02,
    TcpIpv6 = 0x04,
    TcpEcn = 0x08,
    UdpIpv4 = 0x20,
    UdpIpv6 = 0x40,

    /// <summary>Super-packets in a UDP tunnel (TUN_F_UDP_TUNNEL_GSO, Linux 6.17).</summary>
    UdpTunnel = 0x80,

    /// <summary>Those whose outer UDP header has a checksum (TUN_F_UDP_TUNNEL_GSO_CSUM).</summary>
    UdpTunnelChecksum = 0x100,

    /// <summary>Tunnelled super-packets of any kind.</summary>
    Tunnels = UdpTunnel | UdpTunnelChecksum,

    /// <summary>All that a plain virtio header can say.</summary>
    All = Checksum | TcpIpv4 | TcpIpv6 | TcpEcn | UdpIpv4 | UdpIpv6,
}
