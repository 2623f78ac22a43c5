using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Buffers of frames in an array, one behind the other.</summary>
public sealed class ArrayFrames(int count) : FrameMemory
{
    private readonly byte[] _bytes = new byte[count * PacketContext.BufferLength];

    public override Span<byte> BufferOf(int number) => _bytes.AsSpan(number * PacketContext.BufferLength, PacketContext.BufferLength);
}
