namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// What the reader of a TAP can take (TUN_F_* of linux/if_tun.h): the kernel may then hand over partial checksums and super-packets.
/// TSO and USO need <see cref="Checksum"/>; USO of both families goes together. Bits beyond <see cref="All"/> need a longer virtio header
/// and are refused here, because the kernel takes them and then fails every read.
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
    All = Checksum | TcpIpv4 | TcpIpv6 | TcpEcn | UdpIpv4 | UdpIpv6,
}
