using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>Super-packets behind outer headers, whole through a kernel's bridge, and cut by the kernel and by us: byte for byte the same.</summary>
public sealed class TunnelOffloadTests
{
    private const int SampleCount = 120;
    private const TapOffloads Whole = TapOffloads.All | TapOffloads.Tunnels;

    /// <summary>Outer family, outer checksum.</summary>
    public static TheoryData<Family, bool> Outers => new() { { Family.Ipv4, false }, { Family.Ipv4, true }, { Family.Ipv6, false }, { Family.Ipv6, true } };

    [Theory]
    [MemberData(nameof(Outers))]
    public void A_TAP_that_takes_tunnels_gets_the_packet_as_it_was_written(Family outer, bool hasChecksum)
    {
        using KernelBridge bridge = Open(Whole);
        Assert.Equal(VirtioTunnelHeader.Length, bridge.Output.HeaderLength);
        for (int seed = 0; seed < SampleCount; seed++)
        {
            (byte[] packet, string what) = Tunnelled(seed, outer, hasChecksum);
            Assert.False(Segmenter.IsNeeded(packet, Whole), what);
            byte[] got = Assert.Single(bridge.Pass(packet));
            Assert.True(packet.AsSpan(VirtioNetHeader.Length).SequenceEqual(got.AsSpan(VirtioTunnelHeader.Length)), what);
            byte[] buffer = [.. new byte[bridge.Output.ReceiveOffset], .. got];
            VirtioNetHeader received = bridge.Output.OffloadOf(buffer, got.Length);
            Assert.Equal(VirtioNetHeader.Read(packet) with { HeaderLength = 0 }, received with { HeaderLength = 0 });

            // Linux says how much lay in one piece, and takes nothing that says more than there is: not of the inner frame either, when it goes on.
            int outerLength = OuterHeaders.LengthOf(outer == Family.Ipv4);
            byte[] inner = [.. new byte[VirtioNetHeader.Length], .. packet.AsSpan(VirtioNetHeader.Length + outerLength)];
            received.Inner(outerLength).WriteTo(inner);
            Assert.Single(bridge.Pass(inner));
        }
    }

    [Theory]
    [MemberData(nameof(Outers))]
    public void A_TAP_that_takes_none_gets_what_we_would_have_cut(Family outer, bool hasChecksum)
    {
        foreach (TapOffloads output in (TapOffloads[])[TapOffloads.None, TapOffloads.Checksum, TapOffloads.All])
        {
            using KernelBridge bridge = Open(output);
            for (int seed = 0; seed < SampleCount; seed++)
            {
                (byte[] packet, string what) = Tunnelled(seed, outer, hasChecksum);
                List<byte[]> kernel = bridge.Pass(packet);
                List<byte[]> ours = Cut(packet, output);
                Assert.True(kernel.Count == ours.Count, $"{what}, to {output}: the kernel made {kernel.Count}, we {ours.Count}");
                for (int i = 0; i < kernel.Count; i++)
                {
                    string difference = FrameText.Difference(Completed(ours[i]), Completed(kernel[i]));
                    Assert.True(difference.Length == 0, $"{what}, to {output}, segment {i}: {difference}");
                    Assert.Equal(VirtioGsoType.None, VirtioNetHeader.Read(ours[i]).GsoType);
                }
            }
        }
    }

    [Fact]
    public void Plain_packets_pass_a_TAP_with_the_longer_header_as_ever()
    {
        using KernelBridge bridge = Open(Whole);
        for (int seed = 0; seed < SampleCount; seed++)
        {
            var random = new Random(seed);
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(random);
            byte[] sent = (seed % 3) switch { 0 => packet.Partial(segmentLength), 1 => (packet with { Payload = [1, 2, 3] }).Complete(), _ => (packet with { Payload = [1, 2, 3, 4] }).Partial() };
            Assert.False(Segmenter.IsNeeded(sent, Whole));
            byte[] got = Assert.Single(bridge.Pass(sent));
            Assert.Equal(string.Empty, FrameText.Difference(got.AsSpan(VirtioTunnelHeader.Length), sent.AsSpan(VirtioNetHeader.Length)));
            Assert.Equal(VirtioNetHeader.Read(sent) with { HeaderLength = 0 }, bridge.Output.OffloadOf([.. new byte[bridge.Output.ReceiveOffset], .. got], got.Length) with { HeaderLength = 0 });
        }
    }

    /// <summary>What virtio_net_hdr_tnl_to_skb refuses is cut before it.</summary>
    [Fact]
    public void What_the_kernel_would_refuse_is_cut_first()
    {
        using KernelBridge bridge = Open(Whole);
        (byte[] packet, _) = Tunnelled(1, Family.Ipv4, hasChecksum: false);
        VirtioNetHeader right = VirtioNetHeader.Read(packet);
        foreach (VirtioNetHeader wrong in (VirtioNetHeader[])[
            right with { Flags = VirtioNetFlags.None, ChecksumStart = 0, ChecksumOffset = 0 }, right with { GsoType = right.GsoType | VirtioGsoType.TunnelOther },
            right with { ChecksumStart = 40 }])
        {
            byte[] changed = [.. packet];
            wrong.WriteTo(changed);
            Assert.Equal(PortStatus.Refused, bridge.Input.TryTransmit(changed));
            Assert.True(Segmenter.IsNeeded(changed, Whole), wrong.ToString());
        }
    }

    [Fact]
    public void A_tunnel_of_another_build_is_known_as_such()
    {
        (byte[] packet, _) = Tunnelled(2, Family.Ipv4, hasChecksum: false);
        byte[] header = new byte[VirtioTunnelHeader.Length];
        VirtioTunnelHeader.Write(header, packet.AsSpan(VirtioNetHeader.Length), VirtioNetHeader.Read(packet));
        Assert.False(VirtioTunnelHeader.ReadReceived(header, packet.AsSpan(VirtioNetHeader.Length)).IsInOtherTunnel);
        header[22] += 8; // Eight bytes of Geneve options.
        VirtioNetHeader other = VirtioTunnelHeader.ReadReceived(header, packet.AsSpan(VirtioNetHeader.Length));
        Assert.True(other.IsInOtherTunnel);
        other.WriteTo(packet);
        Assert.True(Segmenter.IsNeeded(packet, Whole));
        Assert.Empty(Cut(packet, Whole));
    }

    private static KernelBridge Open(TapOffloads output)
    {
        var bridge = new KernelBridge(output, Whole);
        if ((bridge.Input.Offloads & TapOffloads.Tunnels) == 0)
        {
            bridge.Dispose();
            Assert.Skip("this kernel's TUN has no UDP-tunnel GSO (Linux 6.17)");
        }

        return bridge;
    }

    /// <summary>A super-packet in outer headers, and what it is.</summary>
    private static (byte[] Packet, string What) Tunnelled(int seed, Family outer, bool hasChecksum)
    {
        var random = new Random(seed);
        (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(random);
        int most = random.Next(3) == 0 ? 3000 : 65_000; // short ones lie in one piece
        segmentLength = Math.Min(segmentLength, most / 3);
        packet = packet with { Payload = packet.Payload[..Math.Min(packet.Payload.Length, most - packet.HeadersLength)] };
        byte[] inner = packet.Partial(segmentLength);
        var mesh = new Mesh(outer);
        byte[] template = OuterHeaders.MakeTemplate(mesh.Node, mesh.EastWorker, 8472);
        byte[] whole = [.. new byte[VirtioNetHeader.Length], .. template, .. inner.AsSpan(VirtioNetHeader.Length)];
        Span<byte> frame = whole.AsSpan(VirtioNetHeader.Length);
        packet.Macs.CopyTo(frame);
        OuterHeaders.WriteFields(frame, (byte)random.Next(256), (ushort)random.Next(49_152, 65_536), (uint)random.Next(2, 1 << 24));
        OuterHeaders.Finish(frame, VirtioNetHeader.Read(inner), hasChecksum).WriteTo(whole);
        return (whole, $"seed {seed}, {packet}, segments of {segmentLength}");
    }

    private static List<byte[]> Cut(byte[] packet, TapOffloads output)
    {
        var cutter = new FrameCutter(packet, output, new byte[packet.Length]);
        byte[] buffer = new byte[packet.Length];
        List<byte[]> frames = [];
        while (cutter.TryNext(buffer, out int length))
        {
            frames.Add(buffer[..length]);
        }

        return frames;
    }

    private static byte[] Completed(byte[] packet) => Offload.Complete(packet[VirtioNetHeader.Length..], VirtioNetHeader.Read(packet));
}
