namespace ClusterMesh.Datapath.Wire;

/// <summary>VIRTIO_NET_HDR_F_*.</summary>
[Flags]
public enum VirtioNetFlags : byte
{
    None = 0,
    NeedsChecksum = 1,
    DataValid = 2,

    /// <summary>The outer UDP header of a tunnelled super-packet has a checksum (VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM): only devices are told by it, here the header itself says so.</summary>
    TunnelChecksum = 8,

    /// <summary>
    /// This program's own, never seen by a device: the packet, or each segment of it, is to be fragmented to the MTU in
    /// <see cref="VirtioNetHeader.HeaderLength"/>.
    /// </summary>
    Fragment = 0x80,
}
