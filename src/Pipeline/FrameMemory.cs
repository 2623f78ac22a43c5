namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where frames lie: numbered buffers that do not move. Shared with the kernel and other forwarders, or an array in tests.</summary>
public abstract class FrameMemory
{
    /// <summary>The whole buffer of a number, headroom first: <see cref="PacketContext.BufferLength"/> bytes.</summary>
    public abstract Span<byte> BufferOf(int number);
}
