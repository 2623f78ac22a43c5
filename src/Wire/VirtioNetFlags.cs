namespace ClusterMesh.Datapath.Wire;

/// <summary>VIRTIO_NET_HDR_F_*.</summary>
[Flags]
public enum VirtioNetFlags : byte
{
    None = 0,
    NeedsChecksum = 1,
    DataValid = 2,
}
