using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>Our coalescing against the kernel's own, byte for byte, over random bursts.</summary>
public sealed class CoalescingOracleTests
{
    private const int BurstCount = 80;

    [Fact]
    public void Bursts_are_joined_as_the_kernel_joins_them()
    {
        using var kernel = new KernelGro();
        var bench = new CoalescingBench();
        int comparedCount = 0;
        for (int seed = 0; comparedCount < BurstCount; seed++)
        {
            BulkPacket[] burst = BulkSample.Burst(new Random(seed), hasOdd: false);
            byte[][] sent = [.. burst.Select(p => p.Complete())];
            List<byte[]>? wanted = kernel.Join(sent, burst.Sum(p => p.Payload.Length), packet => PayloadLength(packet));
            if (wanted is null)
            {
                Assert.True(seed < BurstCount * 20, "this machine is too busy to write a burst within 4 ms");
                continue;
            }

            // The kernel lets go of flows in an order of its own; within a flow it is the order of the burst.
            byte[][] ours = [.. bench.Run(sent).Select(p => p.Packet).OrderBy(FlowOf)];
            byte[][] theirs = [.. wanted.OrderBy(FlowOf)];
            string what = $"seed {seed}:\n{string.Join("\n", burst.Select(p => p.ToString()))}";
            Assert.True(ours.Length == theirs.Length, $"the kernel made {theirs.Length} packets, we {ours.Length}; {what}\n{Text(theirs)}\nwe:\n{Text(ours)}");
            for (int i = 0; i < ours.Length; i++)
            {
                string difference = FrameText.Difference(ours[i].AsSpan(VirtioNetHeader.Length), theirs[i].AsSpan(VirtioNetHeader.Length));
                Assert.True(difference.Length == 0, $"packet {i}: the kernel made\n{Text(theirs)}\nwe\n{Text(ours)}\n{difference}; {what}");
                Assert.Equal(Offload(theirs[i]), Offload(ours[i]));
            }

            comparedCount++;
        }
    }

    /// <summary>Without the hint, and without the note on plain frames that the kernel has verified their checksums.</summary>
    private static VirtioNetHeader Offload(byte[] packet)
    {
        VirtioNetHeader header = VirtioNetHeader.Read(packet);
        return header with { HeaderLength = 0, Flags = header.Flags & ~VirtioNetFlags.DataValid };
    }

    private static string Text(byte[][] packets) => string.Join("\n", packets.Select(p => $"{FrameText.Line(p.AsSpan(VirtioNetHeader.Length))} {VirtioNetHeader.Read(p)}"));

    private static int PayloadLength(byte[] packet)
    {
        Assert.True(SegmentHeaders.TryParse(packet.AsSpan(VirtioNetHeader.Length), out SegmentHeaders headers), FrameText.Line(packet.AsSpan(VirtioNetHeader.Length)));
        return headers.PayloadLength;
    }

    /// <summary>Last byte of the source address, which tells a burst's flows apart.</summary>
    private static byte FlowOf(byte[] packet) => packet[VirtioNetHeader.Length + 14 + (packet[VirtioNetHeader.Length + 12] == 8 ? 15 : 23)];
}
