namespace ClusterMesh.Datapath.Wire;

/// <summary>VIRTIO_NET_HDR_GSO_*; <see cref="Ecn"/> is a flag beside TCP.</summary>
[Flags]
public enum VirtioGsoType : byte
{
    None = 0,
    Tcp4 = 1,
    Udp = 3,
    Tcp6 = 4,
    UdpL4 = 5,
    Ecn = 0x80,
}
