using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Offloads;

/// <summary>Neither segmentation nor coalescing costs a byte of the managed heap.</summary>
[Collection(nameof(Scenarios.AllocationTests))]
public sealed class AllocationTests
{
    private const int RunCount = 2_000;
    private readonly Coalescer _coalescer = new();
    private readonly byte[][] _buffers = [.. Enumerable.Range(0, 32).Select(_ => new byte[PacketContext.BufferLength])];
    private readonly byte[] _segment = new byte[PacketContext.BufferLength];

    [Fact]
    public void Nothing_is_allocated()
    {
        BulkPacket whole = new() { Family = Family.Ipv4, Payload = new byte[32 * 1448] };
        byte[] packet = whole.Partial(1448);
        byte[][] frames = [.. whole.Segments(1448).Select(s => s.Complete())];
        Run(packet, frames);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int count = Run(packet, frames);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(RunCount * (32 + 31), count);
    }

    /// <returns>Segments made and frames joined.</returns>
    private int Run(byte[] packet, byte[][] frames)
    {
        int count = 0;
        for (int run = 0; run < RunCount; run++)
        {
            var segmenter = new Segmenter(packet, TapOffloads.None);
            while (segmenter.TryNext(_segment, out _))
            {
                count++;
            }

            _coalescer.Begin();
            VirtioNetHeader headOffload = default;
            int headLength = frames[0].Length - VirtioNetHeader.Length;
            for (int i = 0; i < frames.Length; i++)
            {
                Span<byte> frame = _buffers[i].AsSpan(0, frames[i].Length - VirtioNetHeader.Length);
                frames[i].AsSpan(VirtioNetHeader.Length).CopyTo(frame);
                int head = _coalescer.FindHead(i, 0, frame, default);
                count += head >= 0 && _coalescer.TryAppend(_buffers[head], ref headLength, ref headOffload, frame, default) ? 1 : 0;
            }
        }

        return count;
    }
}
