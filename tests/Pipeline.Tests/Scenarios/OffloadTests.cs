using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Partial checksums and super-packets through every translation: completed as a card would, the frame is the oracle's.</summary>
public sealed class OffloadTests
{
    private const int Client = 1024;

    public static TheoryData<Family, IpProtocol, int> Sizes
    {
        get
        {
            var data = new TheoryData<Family, IpProtocol, int>();
            foreach (Family family in Enum.GetValues<Family>())
            {
                foreach (int payload in (int[])[0, 1, 1000, 1400])
                {
                    data.Add(family, IpProtocol.Tcp, payload);
                    data.Add(family, IpProtocol.Udp, payload);
                }

                data.Add(family, IpProtocol.Tcp, 65000);
                data.Add(family, IpProtocol.Udp, 65000);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Service_and_masquerade_repair_a_partial_checksum(Family family, IpProtocol protocol, int payloadLength)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        byte[] payload = new byte[payloadLength];
        new Random(payloadLength).NextBytes(payload);
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", protocol, 80, 30080, 8080, x => x.EastPod)] });

        TestPacket toService = TestPacket.Of(protocol, m.CurlPod, Client, m.ClusterIp, 80) with { Payload = payload };
        Passes(s, TestNode.Curl, toService, m.EastWorker, _ => toService.Hopped() with { Destination = m.EastPod, DestinationPort = 8080 });
        TestPacket reply = TestPacket.Of(protocol, m.EastPod, 8080, m.CurlPod, Client) with { Payload = payload };
        Passes(s, TestNode.Uplink, reply, default, _ => reply.Hopped() with { Source = m.ClusterIp, SourcePort = 80 });

        TestPacket toOutside = TestPacket.Of(protocol, m.CurlPod, Client, m.Outside, 80) with { Payload = payload };
        Passes(s, TestNode.Curl, toOutside, m.Gateway, v => toOutside.Hopped() with { Source = m.Node, SourcePort = v.SourcePort });

        TestPacket nodePort = TestPacket.Of(protocol, m.Outside, Client, m.Node, 30080) with { Payload = payload };
        Passes(s, TestNode.Uplink, nodePort, m.EastWorker, v => nodePort.Hopped() with
        {
            Source = m.Node,
            SourcePort = v.SourcePort,
            Destination = m.EastPod,
            DestinationPort = 8080,
        });
    }

    /// <summary>hdr_len is a hint (virtio 1.2 section 5.1.6.2.1): a stack may put the whole linear part there.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_length_of_segments_is_read_from_the_headers(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        int headers = (m.IsIpv4 ? 20 : 40) + 20;
        byte[] frame = s.Node.Arriving(TestNode.Curl, TestPacket.Tcp(m.CurlPod, Client, m.EastPod, 80) with { IsDontFragment = true, Payload = new byte[20000] });
        foreach (ushort hint in (ushort[])[0, (ushort)(14 + headers), 9000, ushort.MaxValue])
        {
            VirtioNetHeader fits = Offload.MakePartial(frame, VirtioGsoType.Tcp4, (ushort)(1500 - headers), hint);
            Delivery got = s.Node.Send(TestNode.Curl, frame, fits);
            Assert.True(got.Verdict == Verdict.Transmit, $"hint {hint}: {got}");
            Assert.Equal(fits, got.Offload);
            Delivery refused = s.Node.Send(TestNode.Curl, frame, fits with { SegmentLength = (ushort)(1501 - headers) });
            Assert.True(refused is { Verdict: Verdict.Drop, Reason: DropReason.FragmentationNeeded }, $"hint {hint}: {refused}");
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_packet_over_the_MTU_is_dropped(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        int room = 1500 - (m.IsIpv4 ? 20 : 40) - 8;
        TestPacket fits = TestPacket.Udp(m.CurlPod, Client, m.Webpod1, 53) with { IsDontFragment = true, Payload = new byte[room] };
        s.Forwards(TestNode.Curl, fits, TestNode.Web1, fits.Hopped());
        s.Drops(TestNode.Curl, fits with { Payload = new byte[room + 1] }, DropReason.FragmentationNeeded);
    }

    /// <summary>A complete sum that comes out as 0 is sent as 0xFFFF (RFC 768).</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_UDP_checksum_of_zero_is_sent_as_ones(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("dns", IpProtocol.Udp, 53, 30053, 5353, x => x.Webpod2)] });
        TestPacket wanted = TestPacket.Udp(m.CurlPod, Client, m.Webpod2, 5353).Hopped() with { Payload = [0, 0] };
        byte[] segment = wanted.Transport();

        // The payload that brings the sum to zero is what the checksum was without it.
        TestPacket zero = wanted with { Payload = segment[6..8] };
        Assert.Equal([0xFF, 0xFF], zero.Transport()[6..8]);
        s.Forwards(TestNode.Curl, zero with { HopLimit = 64, Destination = m.ClusterIp, DestinationPort = 53 }, TestNode.Web2, zero);
    }

    private static void Passes(Scenario s, string from, TestPacket sent, IpAddress nextHop, Func<TestPacketView, TestPacket> wanted)
    {
        byte[] frame = s.Node.Arriving(from, sent);
        bool isSuper = frame.Length > 1514;
        VirtioGsoType gso = !isSuper ? VirtioGsoType.None : sent.Protocol == IpProtocol.Udp ? VirtioGsoType.UdpL4 : sent.IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6;
        VirtioNetHeader offload = Offload.MakePartial(frame, gso, (ushort)(isSuper ? 1400 : 0), (ushort)(isSuper ? 54 : 0));
        Delivery got = s.Node.Send(from, frame, offload);
        Assert.True(got.Verdict == Verdict.Transmit, $"{FrameText.Line(frame)}: {got}");
        Assert.Equal(offload, got.Offload);
        Scenario.Same(got with { Frame = Offload.Complete(got.Frame, got.Offload) }, frame, got.Port!, s.Node.Leaving(got.Port!, wanted(new TestPacketView(got)), nextHop));
    }
}
