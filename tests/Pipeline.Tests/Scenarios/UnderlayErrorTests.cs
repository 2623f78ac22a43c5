using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>A link between the nodes takes less than the nodes': pods hear of it, what may be cut is cut, and nobody else is bound by it.</summary>
public sealed class UnderlayErrorTests
{
    private const int Said = 1400;

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_pod_hears_what_a_router_between_the_nodes_said(Family inner, Family outer)
    {
        foreach (bool isEstablished in (bool[])[false, true])
        {
            var s = new TunnelScenario(inner, outer);
            Mesh m = s.Mesh;
            int overhead = s.Underlay.IsIpv4 ? 50 : 70;
            TestPacket fits = Packet(m, Said - overhead);
            TestPacket tooLong = Packet(m, Said - overhead + 1);
            if (isEstablished)
            {
                TestPacket reply = TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000);
                s.Wraps(TestNode.Curl, fits, s.Underlay.EastWorker, fits.Hopped());
                s.Unwraps(reply, TestNode.Curl, reply.Hopped());
            }

            s.Wraps(TestNode.Curl, tooLong, s.Underlay.EastWorker, tooLong.Hopped());
            Hear(s, s.Underlay.EastWorker, Said);
            s.Wraps(TestNode.Curl, fits, s.Underlay.EastWorker, fits.Hopped());
            Delivery got = s.Node.Send(TestNode.Curl, tooLong);
            Assert.Equal((Verdict.Drop, DropReason.FragmentationNeeded), (got.Verdict, got.Reason));
            byte[] answer = Assert.Single(got.Outbox).Frame;
            int mtu = m.IsIpv4 ? (answer[40] << 8) | answer[41] : (answer[60] << 8) | answer[61];
            Assert.Equal(Said - overhead, mtu);

            // A super-packet counts by its segments; the way to another node is what it was; and after ten minutes all is tried again.
            TestPacket toFar = tooLong with { Destination = m.At("10.1.9.7") };
            s.Node.Resolve(s.Underlay.Gateway);
            s.Wraps(TestNode.Curl, toFar, s.Underlay.At("172.19.0.9"), toFar.Hopped());
            s.Node.Wait(PathMtuTable.LifetimeSeconds);
            s.Node.Resolve(s.Underlay.EastWorker);
            s.Wraps(TestNode.Curl, tooLong, s.Underlay.EastWorker, tooLong.Hopped());
        }
    }

    [Theory]
    [InlineData(Family.Ipv4)]
    [InlineData(Family.Ipv6)]
    public void What_may_be_cut_is_cut_to_what_the_way_takes(Family outer)
    {
        var s = new TunnelScenario(Family.Ipv4, outer);
        Hear(s, s.Underlay.EastWorker, Said);
        TestPacket packet = Packet(s.Mesh, 1430) with { IsDontFragment = false };
        Delivery got = s.Node.Send(TestNode.Curl, packet);
        Assert.Equal(Verdict.Transmit, got.Verdict);
        List<byte[]> pieces = Offload.Cut(got.Frame, got.Offload);
        Assert.Equal(2, pieces.Count);
        Assert.All(pieces, p => Assert.InRange(p.Length - 14, 1, Said));
    }

    /// <summary>A super-packet counts by its longest segment.</summary>
    [Fact]
    public void Segments_of_a_super_packet_fit_too()
    {
        var s = new TunnelScenario(Family.Ipv4, Family.Ipv4);
        Hear(s, s.Underlay.EastWorker, Said);
        TestPacket bulk = TestPacket.Tcp(s.Mesh.CurlPod, 40000, s.Mesh.EastPod, 80) with { Payload = new byte[20_000], IsDontFragment = true };
        foreach ((int segment, Verdict verdict) in ((int, Verdict)[])[(Said - 50 - 40, Verdict.Transmit), (Said - 50 - 40 + 1, Verdict.Drop)])
        {
            byte[] frame = s.Node.Arriving(TestNode.Curl, bulk);
            Assert.Equal(verdict, s.Node.Send(TestNode.Curl, frame, Offload.MakePartial(frame, VirtioGsoType.Tcp4, (ushort)segment, 54)).Verdict);
        }
    }

    [Theory]
    [InlineData(Family.Ipv4)]
    [InlineData(Family.Ipv6)]
    public void Nobody_is_believed_who_could_not_have_seen_the_packet(Family outer)
    {
        var s = new TunnelScenario(Family.Ipv4, outer);
        TestPacket longest = Packet(s.Mesh, s.Mtu);
        TestPacket ours = Outer(s, s.Underlay.EastWorker);
        foreach ((string port, TestPacket about, IcmpTrouble trouble) in ((string, TestPacket, IcmpTrouble)[])[
            (TestNode.Uplink, ours with { SourcePort = 4000 }, IcmpTrouble.TooBig), (TestNode.Uplink, ours with { DestinationPort = 53 }, IcmpTrouble.TooBig),
            (TestNode.Uplink, ours with { Destination = s.Underlay.Outside }, IcmpTrouble.TooBig), (TestNode.Uplink, ours, IcmpTrouble.PortUnreachable),
            (TestNode.Uplink, ours, IcmpTrouble.TimeExceeded)])
        {
            s.Node.Send(port, TestPacket.Error(s.Underlay.Gateway, trouble, about, mtu: Said));
            s.Wraps(TestNode.Curl, longest, s.Underlay.EastWorker, longest.Hopped());
        }

        byte[] damaged = s.Node.Arriving(TestNode.Uplink, TestPacket.Error(s.Underlay.Gateway, IcmpTrouble.TooBig, ours, mtu: Said));
        damaged[^1] ^= 1;
        s.Node.Send(TestNode.Uplink, damaged);
        s.Wraps(TestNode.Curl, longest, s.Underlay.EastWorker, longest.Hopped());
    }

    [Theory]
    [InlineData(100, 576 - 50)]
    [InlineData(0, 1006 - 50)] // A router of before RFC 1191, about 1,500 bytes less the headers of the quote.
    [InlineData(9000, 1450)]
    public void What_a_router_says_has_bounds(int said, int most)
    {
        var s = new TunnelScenario(Family.Ipv4, Family.Ipv4);
        TestPacket about = Outer(s, s.Underlay.EastWorker) with { Payload = new byte[1200] };
        s.Node.Send(TestNode.Uplink, TestPacket.Error(s.Underlay.Gateway, IcmpTrouble.TooBig, about, mtu: said));
        TestPacket fits = Packet(s.Mesh, most);
        s.Wraps(TestNode.Curl, fits, s.Underlay.EastWorker, fits.Hopped());
        Assert.Equal(DropReason.FragmentationNeeded, s.Node.Send(TestNode.Curl, Packet(s.Mesh, most + 1)).Reason);
    }

    /// <summary>A change of the configuration makes new tables; what was heard stays.</summary>
    [Fact]
    public void What_was_heard_outlives_a_change()
    {
        var s = new TunnelScenario(Family.Ipv4, Family.Ipv4);
        Hear(s, s.Underlay.EastWorker, Said);
        s.Node.Apply(new()
        {
            Nodes = [.. Enumerable.Range(0, 200).Select(i => new NodeSpec($"n{i}", "north", [IpAddress.Parse($"172.18.9.{i + 1}")], [IpPrefix.Parse($"10.9.{i}.0/24")], "test") { ClusterId = 3 })],
        });
        Assert.Equal(DropReason.FragmentationNeeded, s.Node.Send(TestNode.Curl, Packet(s.Mesh, Said - 49)).Reason);
    }

    /// <summary>A UDP packet of so many bytes from its IP header on.</summary>
    private static TestPacket Packet(Mesh m, int length) =>
        TestPacket.Udp(m.CurlPod, 40000, m.EastPod, 53) with { Payload = new byte[length - (m.IsIpv4 ? 28 : 48)], IsDontFragment = true };

    private static TestPacket Outer(TunnelScenario s, IpAddress to) => TunnelFrames.Around(new byte[100], s.Underlay.Node, to, TunnelScenario.Vni);

    private static void Hear(TunnelScenario s, IpAddress of, int mtu)
    {
        Delivery got = s.Node.Send(TestNode.Uplink, TestPacket.Error(s.Underlay.Gateway, IcmpTrouble.TooBig, Outer(s, of), mtu: mtu));
        Assert.Equal((Verdict.Transmit, TestNode.Host), (got.Verdict, got.Port)); // The host's stack learns it as well.
    }
}
