using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The buffers of one worker's frames, in memory that is there before it is used. The one given back last is taken next, since its lines
/// are still in the cache. Owned by the worker's thread.
/// </summary>
internal sealed class FrameBuffers : IDisposable
{
    /// <summary>Most buffers there can be: frames on their way, and one for each port to be filled.</summary>
    public const int MostCount = OnTheirWay + Port.MaxCount;

    private const int OnTheirWay = 256;

    /// <summary>Where in a buffer a virtio header is received, with the frame behind it.</summary>
    public const int ReceiveOffset = PacketContext.Headroom - VirtioNetHeader.Length;

    /// <summary>Bytes that can be received into a buffer; any frame fits.</summary>
    public const int ReceiveLength = PacketContext.BufferLength - ReceiveOffset;

    /// <summary>Bytes from one buffer to the next: whole cache lines, and no power of two, which would crowd all frames into few sets of the cache.</summary>
    public const int Stride = (PacketContext.BufferLength + 63) / 64 * 64;

    private readonly MappedMemory _memory;
    private readonly int[] _free = new int[MostCount];
    private int _usableCount;

    /// <summary>Takes the addresses for all and memory for those on their way; ports bring more.</summary>
    public FrameBuffers()
    {
        _memory = MappedMemory.Reserve((long)MostCount * Stride);
        Grow(OnTheirWay);
    }

    public int FreeCount { get; private set; }

    public Memory<byte> Memory => _memory.Memory;

    /// <summary>Makes more buffers usable, up to the most.</summary>
    public void Grow(int count)
    {
        count = Math.Min(count, _free.Length - _usableCount);
        if (count > 0)
        {
            _memory.Populate(_usableCount * Stride, count * Stride);
        }

        for (int i = 0; i < count; i++)
        {
            Return(_usableCount++);
        }
    }

    /// <summary>A free buffer's number; there must be one.</summary>
    public int Take() => _free[--FreeCount];

    public void Return(int buffer) => _free[FreeCount++] = buffer;

    /// <summary>So many bytes of a buffer.</summary>
    public Span<byte> Slice(int buffer, int start, int length) => _memory.GetSpan().Slice((buffer * Stride) + start, length);

    /// <summary>The memory of all, in which a buffer begins at its number times <see cref="Stride"/>.</summary>
    public MappedMemory Mapped => _memory;

    public void Dispose() => _memory.Dispose();
}
