using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Trace;

/// <summary>One buffer, for one frame at a time.</summary>
internal sealed class SingleFrame : FrameMemory
{
    private readonly byte[] _buffer = new byte[PacketContext.BufferLength];

    public override Span<byte> BufferOf(int number) => _buffer;
}
