namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Frames that came in together and take their way through the pipeline together, in the order in which they came. Each lies in a buffer of
/// its own, with headroom; the buffers belong to the I/O engine, which fills the burst and sends what the verdicts say.
/// </summary>
public sealed class Burst(Memory<byte> arena, int bufferLength)
{
    /// <summary>Most frames of one burst.</summary>
    public const int MaxCount = 64;

    private readonly BurstFrame[] _frames = new BurstFrame[MaxCount];

    public int Count { get; private set; }

    public bool IsFull => Count == MaxCount;

    public Span<BurstFrame> Frames => _frames.AsSpan(0, Count);

    /// <summary>The whole buffer of a number, headroom first.</summary>
    public Span<byte> BufferOf(int number) => arena.Span.Slice(number * bufferLength, PacketContext.BufferLength);

    public void Clear() => Count = 0;

    public void Add(in BurstFrame frame) => _frames[Count++] = frame;
}
