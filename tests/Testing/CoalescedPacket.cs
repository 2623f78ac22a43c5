namespace ClusterMesh.Datapath.Testing;

/// <summary>What coalescing left of a burst: a packet, virtio header first, and the slots of the frames in it.</summary>
public sealed record CoalescedPacket(List<int> Slots, byte[] Packet);
