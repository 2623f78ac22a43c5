using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>Our segmentation against the kernel's, byte for byte: random super-packets out by a TAP that does not take them.</summary>
public sealed class SegmentationOracleTests
{
    private const int SampleCount = 150;

    private const TapOffloads Tcp = TapOffloads.Checksum | TapOffloads.TcpIpv4 | TapOffloads.TcpIpv6;

    public static TheoryData<TapOffloads> Outputs =>
    [
        TapOffloads.None, TapOffloads.Checksum, TapOffloads.Checksum | TapOffloads.TcpIpv4, TapOffloads.Checksum | TapOffloads.TcpIpv6, Tcp,
        Tcp | TapOffloads.TcpEcn, TapOffloads.Checksum | TapOffloads.UdpIpv4 | TapOffloads.UdpIpv6, TapOffloads.All,
    ];

    [Theory]
    [MemberData(nameof(Outputs))]
    public void Super_packets_are_cut_as_the_kernel_cuts(TapOffloads output)
    {
        using var bridge = new KernelBridge(output);
        for (int seed = 0; seed < SampleCount; seed++)
        {
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(new Random(seed));
            byte[] whole = packet.Partial(segmentLength);
            AssertSame(bridge.Pass(whole), Cut(whole, output), $"seed {seed}, {packet}, segments of {segmentLength}");
        }
    }

    [Theory]
    [MemberData(nameof(Outputs))]
    public void Plain_packets_are_completed_as_the_kernel_completes(TapOffloads output)
    {
        using var bridge = new KernelBridge(output);
        for (int seed = 0; seed < SampleCount; seed++)
        {
            var random = new Random(seed);
            BulkPacket packet = BulkSample.Headers(random);
            packet = packet with { Payload = BulkSample.Bytes(random, random.Next(3000)) };

            // Linux drops a super-packet of one segment that its TCP options alone make longer than gso_size: those are left out.
            byte[] single = packet.Partial(packet.Payload.Length + packet.TcpOptions.Length + 1);
            byte[] sent = (seed % 3) switch { 0 when Segmenter.IsNeeded(single, output) => single, 1 => packet.Complete(), _ => packet.Partial() };
            AssertSame(bridge.Pass(sent), Cut(sent, output), $"seed {seed}, {packet}");
        }
    }

    /// <summary>The kernel sends a checksum of 0 as 0 in a TCP segment that it cut, and as 0xFFFF in one that came to it plain.</summary>
    [Theory]
    [InlineData(Family.Ipv4, true)]
    [InlineData(Family.Ipv4, false)]
    [InlineData(Family.Ipv6, true)]
    [InlineData(Family.Ipv6, false)]
    public void Checksums_of_zero_are_the_kernels(Family family, bool isTcp)
    {
        using var bridge = new KernelBridge(TapOffloads.None);
        BulkPacket packet = new() { Family = family, IsTcp = isTcp, Payload = new byte[1000] };
        int field = VirtioNetHeader.Length + packet.TransportOffset + (isTcp ? 16 : 6);

        // The payload that brings the sum to zero is what the checksum was without it.
        byte[] plain = (packet with { Payload = [.. packet.Complete()[field..][..2], .. new byte[998]] }).Partial();
        byte[] whole = (packet with { Payload = [.. packet.Complete()[field..][..2], .. new byte[1998]] }).Partial(1000);
        Assert.Equal([0xFF, 0xFF], Assert.Single(Cut(plain, TapOffloads.None))[field..][..2]);
        Assert.Equal(isTcp ? [0, 0] : [0xFF, 0xFF], Cut(whole, TapOffloads.None)[0][field..][..2]);
        AssertSame(bridge.Pass(plain), Cut(plain, TapOffloads.None), "plain");
        AssertSame(bridge.Pass(whole), Cut(whole, TapOffloads.None), "super-packet");
    }

    /// <summary>As AF_PACKET may send them; the kernel takes none of UDP.</summary>
    [Fact]
    public void TCP_super_packets_without_partial_checksums_are_cut_as_the_kernel_cuts()
    {
        using var bridge = new KernelBridge(TapOffloads.None);
        for (int seed = 0; seed < SampleCount; seed++)
        {
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(new Random(seed));
            byte[] whole = packet.Complete();
            (VirtioNetHeader.Read(packet.Partial(segmentLength)) with { Flags = VirtioNetFlags.None, ChecksumStart = 0, ChecksumOffset = 0 }).WriteTo(whole);
            if (packet.IsTcp)
            {
                AssertSame(bridge.Pass(whole), Cut(whole, TapOffloads.None), $"seed {seed}, {packet}, segments of {segmentLength}");
            }
        }
    }

    private static List<byte[]> Cut(byte[] packet, TapOffloads output)
    {
        List<byte[]> segments = [];
        if (!Segmenter.IsNeeded(packet, output))
        {
            return [packet];
        }

        byte[] buffer = new byte[packet.Length];
        var segmenter = new Segmenter(packet, output);
        while (segmenter.TryNext(buffer, out int length))
        {
            segments.Add(buffer[..length]);
        }

        return segments;
    }

    private static void AssertSame(List<byte[]> kernel, List<byte[]> ours, string what)
    {
        Assert.True(kernel.Count == ours.Count, $"{what}: the kernel made {kernel.Count}, we {ours.Count}");
        for (int i = 0; i < kernel.Count; i++)
        {
            string difference = FrameText.Difference(ours[i].AsSpan(VirtioNetHeader.Length), kernel[i].AsSpan(VirtioNetHeader.Length));
            Assert.True(difference.Length == 0, $"{what}, segment {i}: {difference}");

            // hdr_len is a hint, and the kernel's own says where its buffers end.
            Assert.Equal(VirtioNetHeader.Read(kernel[i]) with { HeaderLength = 0 }, VirtioNetHeader.Read(ours[i]) with { HeaderLength = 0 });
        }
    }
}
