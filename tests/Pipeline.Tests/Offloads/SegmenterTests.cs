using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Offloads;

/// <summary>Segmentation against its naive twin. The kernel's own is the oracle in Io.Tests.</summary>
public sealed class SegmenterTests
{
    private const int SampleCount = 600;

    private const TapOffloads Tcp = TapOffloads.Checksum | TapOffloads.TcpIpv4 | TapOffloads.TcpIpv6;

    public static TheoryData<TapOffloads> Outputs => [TapOffloads.None, TapOffloads.Checksum, Tcp];

    [Theory]
    [MemberData(nameof(Outputs))]
    public void Segments_are_those_of_the_naive_twin(TapOffloads output)
    {
        for (int seed = 0; seed < SampleCount; seed++)
        {
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(new Random(seed));
            byte[] whole = packet.Partial(segmentLength);
            List<byte[]> got = Segments(whole, output);
            byte[][] wanted = IsTaken(packet, output)
                ? [whole]
                : [.. packet.Segments(segmentLength).Select(s => (output & TapOffloads.Checksum) != 0 ? s.Partial() : s.Complete())];
            Assert.True(wanted.Length == got.Count, $"seed {seed}: {got.Count} segments of {wanted.Length}: {packet}");
            for (int i = 0; i < wanted.Length; i++)
            {
                string difference = FrameText.Difference(got[i].AsSpan(VirtioNetHeader.Length), wanted[i].AsSpan(VirtioNetHeader.Length));
                Assert.True(difference.Length == 0, $"seed {seed}, segment {i} of {packet}: {difference}");
                Assert.Equal(VirtioNetHeader.Read(wanted[i]), VirtioNetHeader.Read(got[i]));
            }
        }
    }

    /// <summary>Some offloads without checksums cannot be: the check is what a port that has them would say.</summary>
    [Fact]
    public void Each_packet_needs_the_offload_of_its_kind()
    {
        for (int seed = 0; seed < SampleCount; seed++)
        {
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(new Random(seed));
            byte[] whole = packet.Partial(segmentLength);
            TapOffloads needed = TapOffloads.Checksum | BulkPacket.SuperPacketOffload(packet.IsIpv4, packet.IsTcp)
                | ((packet.Flags & TcpFlags.Cwr) != 0 ? TapOffloads.TcpEcn : 0);
            Assert.False(Segmenter.IsNeeded(whole, TapOffloads.All));
            Assert.False(Segmenter.IsNeeded(whole, needed));
            foreach (TapOffloads one in (TapOffloads[])[TapOffloads.Checksum, TapOffloads.TcpIpv4, TapOffloads.TcpIpv6, TapOffloads.TcpEcn, TapOffloads.UdpIpv4, TapOffloads.UdpIpv6])
            {
                Assert.True((needed & one) != 0 == Segmenter.IsNeeded(whole, TapOffloads.All & ~one), $"{packet} without {one}");
            }

            Assert.True(Segmenter.IsNeeded(packet.Partial(), TapOffloads.None));
            Assert.False(Segmenter.IsNeeded(packet.Partial(), TapOffloads.Checksum));
            Assert.False(Segmenter.IsNeeded(packet.Complete(), TapOffloads.None));
        }
    }

    [Fact]
    public void A_partial_checksum_is_completed_wherever_it_starts()
    {
        for (int seed = 0; seed < SampleCount; seed++)
        {
            var random = new Random(seed);
            byte[] frame = BulkSample.Bytes(random, random.Next(60, 1515));
            int start = random.Next(frame.Length - 2);
            int offset = random.Next(frame.Length - 1 - start);
            byte[] packet = [.. new byte[VirtioNetHeader.Length], .. frame];
            new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, (ushort)start, (ushort)offset).WriteTo(packet);
            byte[] wanted = [.. frame];
            BinaryPrimitives.WriteUInt16BigEndian(wanted.AsSpan(start + offset), (ushort)~NaiveChecksum.Sum(frame.AsSpan(start)));
            byte[] got = Assert.Single(Segments(packet, TapOffloads.None));
            Assert.Equal("", FrameText.Difference(got.AsSpan(VirtioNetHeader.Length), wanted));
            Assert.Equal(default, VirtioNetHeader.Read(got));
        }
    }

    [Fact]
    public void A_checksum_of_zero_is_sent_as_ones()
    {
        BulkPacket packet = new() { Family = Family.Ipv4, IsTcp = false, Payload = [0, 0] };
        BulkPacket zero = packet with { Payload = packet.Complete()[(VirtioNetHeader.Length + packet.TransportOffset + 6)..][..2] };
        byte[] got = Assert.Single(Segments(zero.Partial(), TapOffloads.None));
        Assert.Equal([0xFF, 0xFF], got[(VirtioNetHeader.Length + packet.TransportOffset + 6)..][..2]);

        List<byte[]> cut = Segments((zero with { Payload = [.. zero.Payload, 7] }).Partial(2), TapOffloads.None);
        Assert.Equal(zero.Complete(), cut[0]);
    }

    [Fact]
    public void A_super_packet_of_one_segment_is_plain()
    {
        foreach (Family family in Enum.GetValues<Family>())
        {
            foreach (bool isTcp in (bool[])[true, false])
            {
                BulkPacket packet = new() { Family = family, IsTcp = isTcp, Payload = new byte[1000] };
                Assert.Equal(packet.Complete(), Assert.Single(Segments(packet.Partial(1000), TapOffloads.None)));
                Assert.Equal(packet.Partial(), Assert.Single(Segments(packet.Partial(1001), TapOffloads.Checksum)));
            }
        }
    }

    /// <summary>As AF_PACKET may send it (packet(7), PACKET_VNET_HDR): the sums are made from nothing.</summary>
    [Fact]
    public void A_super_packet_without_a_partial_checksum_is_cut_too()
    {
        for (int seed = 0; seed < SampleCount; seed++)
        {
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(new Random(seed));
            byte[] whole = packet.Complete();
            (VirtioNetHeader.Read(packet.Partial(segmentLength)) with { Flags = VirtioNetFlags.None, ChecksumStart = 0, ChecksumOffset = 0 }).WriteTo(whole);
            Assert.Equal(packet.Segments(segmentLength).Select(s => s.Complete()), Segments(whole, TapOffloads.None));
        }
    }

    public static TheoryData<string, VirtioNetHeader> Nonsense
    {
        get
        {
            VirtioNetHeader right = VirtioNetHeader.Read(Super().Partial(1000));
            return new()
            {
                { "no segment length", right with { SegmentLength = 0 } },
                { "UDP in a TCP packet", right with { GsoType = VirtioGsoType.UdpL4 } },
                { "fragments", right with { GsoType = VirtioGsoType.Udp } },
                { "checksum of something else", right with { ChecksumStart = 14 } },
                { "another field", right with { ChecksumOffset = 6 } },
                { "too many segments", right with { SegmentLength = 1 } },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void What_cannot_be_cut_gives_nothing(string name, VirtioNetHeader header)
    {
        byte[] packet = Super().Partial(1000);
        header.WriteTo(packet);
        Assert.True(Segmenter.IsNeeded(packet, TapOffloads.None), name);
        Assert.Empty(Segments(packet, TapOffloads.None));
    }

    [Fact]
    public void A_field_behind_the_frame_gives_nothing()
    {
        byte[] packet = (Super() with { Payload = [] }).Partial();
        int end = packet.Length - VirtioNetHeader.Length;
        foreach ((int start, int offset) in ((int, int)[])[(end - 1, 0), (end, 0), (0, end - 1), (ushort.MaxValue, ushort.MaxValue)])
        {
            new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, (ushort)start, (ushort)offset).WriteTo(packet);
            Assert.Empty(Segments(packet, TapOffloads.None));
        }
    }

    /// <summary>Headers cut anywhere, lengths that lie: no exception, whatever comes out.</summary>
    [Fact]
    public void Mutilated_packets_do_no_harm()
    {
        for (int seed = 0; seed < 20_000; seed++)
        {
            var random = new Random(seed);
            BulkPacket sample = BulkSample.Headers(random) with { Payload = new byte[random.Next(300)] };
            byte[] packet = sample.Partial(random.Next(1, 200));
            for (int i = random.Next(4); i >= 0; i--)
            {
                packet[random.Next(Math.Min(packet.Length, VirtioNetHeader.Length + sample.HeadersLength))] = (byte)random.Next(256);
            }

            byte[] cut = packet[..random.Next(VirtioNetHeader.Length, packet.Length + 1)];
            if (Segmenter.IsNeeded(cut, TapOffloads.None))
            {
                Segments(cut, (TapOffloads)random.Next(2));
            }
        }
    }

    internal static List<byte[]> Segments(byte[] packet, TapOffloads output)
    {
        byte[] before = [.. packet];
        List<byte[]> segments = [];
        if (!Segmenter.IsNeeded(packet, output))
        {
            return [packet];
        }

        byte[] buffer = new byte[packet.Length];
        Array.Fill<byte>(buffer, 0xA5);
        var segmenter = new Segmenter(packet, output);
        while (segmenter.TryNext(buffer, out int length))
        {
            segments.Add(buffer[..length]);
            Array.Fill<byte>(buffer, 0xA5);
        }

        Assert.False(segmenter.TryNext(buffer, out _));
        Assert.Equal(before, packet);
        return segments;
    }

    private static BulkPacket Super() => new() { Family = Family.Ipv4, Payload = new byte[5000] };

    private static bool IsTaken(BulkPacket packet, TapOffloads output) =>
        (output & BulkPacket.SuperPacketOffload(packet.IsIpv4, packet.IsTcp)) != 0 && (packet.Flags & TcpFlags.Cwr) == 0;
}
