using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Buffers of frames in an array, one behind the other, with room behind each that nobody may write.</summary>
public sealed class ArrayFrames(int count) : FrameMemory
{
    /// <summary>Bytes behind a buffer that must stay as they are.</summary>
    public const int Tailroom = 64;

    private const int Stride = PacketContext.BufferLength + Tailroom;
    private readonly byte[] _bytes = new byte[count * Stride];

    public int Count => count;

    public override Span<byte> BufferOf(int number) => RoomOf(number)[..PacketContext.BufferLength];

    /// <summary>The buffer and what lies behind it.</summary>
    public Span<byte> RoomOf(int number) => _bytes.AsSpan(number * Stride, Stride);
}
