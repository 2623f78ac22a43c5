using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Questions for link addresses: those that the datapath answers, and those that it asks while packets wait.</summary>
public sealed class NeighborTests
{
    private static readonly MacAddress s_podMac = new(0x0200_0A00_0169);

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_finds_the_router_behind_every_address_but_its_own(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        foreach (IpAddress target in (IpAddress[])[m.Router, m.Webpod1, m.Outside, m.Node])
        {
            byte[] question = NeighborFrames.Request(m.CurlPod, s_podMac, target);
            byte[] answer = NeighborFrames.Reply(target, TestNode.RouterMac, m.CurlPod, s_podMac, isRouter: true);
            Scenario.Same(s.Node.Send(TestNode.Curl, question), question, TestNode.Curl, answer);
        }

        Ignores(s, TestNode.Curl, NeighborFrames.Request(m.CurlPod, s_podMac, m.CurlPod));
        Ignores(s, TestNode.Curl, NeighborFrames.Request(m.Router, s_podMac, m.CurlPod));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Nobody_is_told_that_a_new_address_is_taken(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        IpAddress nobody = m.IsIpv4 ? IpAddress.AnyIpv4 : default;
        foreach (IpAddress target in (IpAddress[])[m.CurlPod, m.At("10.0.1.99")])
        {
            Ignores(s, TestNode.Curl, NeighborFrames.Request(nobody, s_podMac, target));
            Ignores(s, TestNode.Host, NeighborFrames.Request(nobody, TestNode.HostMac, target));
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void On_the_node_network_only_the_node_answers_for_itself(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        MacAddress mac = TestNode.MacOf(m.Neighbor);
        byte[] question = NeighborFrames.Request(m.Neighbor, mac, m.Node);
        byte[] answer = NeighborFrames.Reply(m.Node, TestNode.UplinkMac, m.Neighbor, mac, isRouter: true);
        Scenario.Same(s.Node.Send(TestNode.Uplink, question), question, TestNode.Uplink, answer);
        Ignores(s, TestNode.Uplink, NeighborFrames.Request(m.Neighbor, mac, m.ControlPlane));
        Ignores(s, TestNode.Uplink, NeighborFrames.Request(m.Neighbor, mac, m.CurlPod));
    }

    /// <summary>RFC 4862 section 5.4.3, RFC 5227 section 2.1.1: who probes for the node's own address hears that it is taken.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_node_defends_its_address_on_the_node_network(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        MacAddress mac = TestNode.MacOf(m.Neighbor);
        byte[] probe = NeighborFrames.Request(m.IsIpv4 ? IpAddress.AnyIpv4 : default, mac, m.Node);
        byte[] answer = m.IsIpv4 ? NeighborFrames.Reply(m.Node, TestNode.UplinkMac, IpAddress.AnyIpv4, mac) : NeighborFrames.Defence(m.Node, TestNode.UplinkMac);
        Scenario.Same(s.Node.Send(TestNode.Uplink, probe), probe, TestNode.Uplink, answer);
        Ignores(s, TestNode.Uplink, NeighborFrames.Request(m.IsIpv4 ? IpAddress.AnyIpv4 : default, mac, m.CurlPod));
    }

    [Fact]
    public void By_option_the_node_answers_for_its_pods_on_the_node_network()
    {
        var s = new Scenario(Family.Ipv6, new TestNode(local: l => l with { Uplink = l.Uplink! with { ProxiesNeighbors = true } }));
        Mesh m = s.Mesh;
        MacAddress mac = TestNode.MacOf(m.Neighbor);
        byte[] question = NeighborFrames.Request(m.Neighbor, mac, m.CurlPod);
        Scenario.Same(s.Node.Send(TestNode.Uplink, question), question, TestNode.Uplink, NeighborFrames.ProxyReply(m.CurlPod, TestNode.UplinkMac, m.Neighbor, mac));
        byte[] probe = NeighborFrames.Request(default, mac, m.CurlPod);
        Scenario.Same(s.Node.Send(TestNode.Uplink, probe), probe, TestNode.Uplink, NeighborFrames.Defence(m.CurlPod, TestNode.UplinkMac));

        // Not for pods that do not exist, those of other nodes, and whatever else it has a route for.
        foreach (IpAddress target in (IpAddress[])[m.At("10.0.1.99"), m.EastPod, m.Outside, m.EastWorker, m.Router])
        {
            Ignores(s, TestNode.Uplink, NeighborFrames.Request(m.Neighbor, mac, target));
        }

        // Who asked is about to send, and is known.
        TestPacket packet = TestPacket.Udp(m.CurlPod, 40000, m.Neighbor, 53);
        s.Forwards(TestNode.Curl, packet, m.Neighbor, packet.Hopped() with { Source = m.Node });
    }

    [Fact]
    public void Who_asks_for_routers_hears_that_there_is_one_and_nothing_else()
    {
        var s = new Scenario(Family.Ipv6);
        Assert.Equal(IpAddress.Parse("fe80::42:acff:fe11:2"), RouterMessage.LinkLocalOf(MacAddress.Parse("02:42:ac:11:00:02")));
        Assert.Equal(IpAddress.Parse("fe80::211:22ff:fe33:4455"), RouterMessage.LinkLocalOf(MacAddress.Parse("00:11:22:33:44:55")));
        IpAddress router = RouterMessage.LinkLocalOf(TestNode.RouterMac);
        MacAddress group = MacAddress.Parse("33:33:00:00:00:02");
        foreach ((string port, MacAddress mac) in ((string, MacAddress)[])[(TestNode.Curl, s_podMac), (TestNode.Host, TestNode.HostMac)])
        {
            var sender = IpAddress.Parse("fe80::1234");
            byte[] question = NeighborFrames.RouterSolicitation(sender, mac).Frame(mac, group);
            Scenario.Same(s.Node.Send(port, question), question, port, NeighborFrames.RouterAdvertisement(router, TestNode.RouterMac, sender, mac));
            question = NeighborFrames.RouterSolicitation(default, mac).Frame(mac, group);
            Scenario.Same(s.Node.Send(port, question), question, port, NeighborFrames.RouterAdvertisement(router, TestNode.RouterMac, IpAddress.Parse("ff02::1"), mac));
        }

        // The node is no router for others.
        MacAddress neighbor = TestNode.MacOf(s.Mesh.Neighbor);
        Ignores(s, TestNode.Uplink, NeighborFrames.RouterSolicitation(s.Mesh.Neighbor, neighbor).Frame(neighbor, group));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Who_asks_for_the_node_is_known_and_spares_the_question(Family family)
    {
        var s = new Scenario(family);
        IpAddress newcomer = s.Mesh.At("172.18.0.200");
        s.Node.Send(TestNode.Uplink, NeighborFrames.Request(newcomer, TestNode.MacOf(newcomer), s.Mesh.Node));
        TestPacket packet = TestPacket.Udp(s.Mesh.Node, 5000, newcomer, 53);
        s.Forwards(TestNode.Host, packet, newcomer, packet);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Packets_wait_for_an_unknown_neighbour_and_leave_in_order(Family family)
    {
        var s = new Scenario(family);
        IpAddress unknown = s.Mesh.At("172.18.0.200");
        TestPacket[] packets = [.. Enumerable.Range(0, 3).Select(i => TestPacket.Udp(s.Mesh.CurlPod, 40000 + i, unknown, 53))];
        Delivery first = s.Node.Send(TestNode.Curl, packets[0]);
        Assert.Equal(Verdict.Held, first.Verdict);
        OutboxFrame asked = Assert.Single(first.Outbox);
        Assert.Empty(FrameText.Difference(asked.Frame, NeighborFrames.Request(s.Mesh.Node, TestNode.UplinkMac, unknown)));
        Assert.Equal(TestNode.Uplink, asked.Port);
        foreach (TestPacket packet in packets[1..])
        {
            Delivery held = s.Node.Send(TestNode.Curl, packet);
            Assert.Equal(Verdict.Held, held.Verdict);
            Assert.Empty(held.Outbox);
        }

        Delivery answered = s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(unknown, TestNode.MacOf(unknown), s.Mesh.Node, TestNode.UplinkMac));
        Assert.Equal(Verdict.Consumed, answered.Verdict);
        Assert.Equal(3, answered.Outbox.Count);
        for (int i = 0; i < 3; i++)
        {
            byte[] wanted = s.Node.Leaving(TestNode.Uplink, packets[i].Hopped() with { Source = s.Mesh.Node }, unknown);
            Assert.Empty(FrameText.Difference(answered.Outbox[i].Frame, wanted));
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_held_super_packet_keeps_its_offload(Family family)
    {
        var s = new Scenario(family);
        IpAddress unknown = s.Mesh.At("172.18.0.200");
        byte[] frame = s.Node.Arriving(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, 40000, unknown, 80) with { Payload = new byte[60000] });
        VirtioNetHeader offload = Offload.MakePartial(frame, VirtioGsoType.Tcp4, 1400, 54);
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Curl, frame, offload).Verdict);
        Delivery answered = s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(unknown, TestNode.MacOf(unknown), s.Mesh.Node, TestNode.UplinkMac));
        OutboxFrame released = Assert.Single(answered.Outbox);
        Assert.Equal(offload, released.Offload);
        Assert.Equal(frame.Length, released.Frame.Length);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Who_does_not_answer_three_times_loses_what_waits(Family family)
    {
        var s = new Scenario(family);
        IpAddress silent = s.Mesh.At("172.18.0.200");
        TestPacket packet = TestPacket.Udp(s.Mesh.Node, 5000, silent, 53);
        byte[] question = NeighborFrames.Request(s.Mesh.Node, TestNode.UplinkMac, silent);
        Assert.Single(s.Node.Send(TestNode.Host, packet).Outbox);
        for (int attempt = 2; attempt <= 3; attempt++)
        {
            s.Node.Wait(0.9);
            Assert.Empty(s.Node.Tick());
            s.Node.Wait(0.1);
            Assert.Empty(FrameText.Difference(Assert.Single(s.Node.Tick()).Frame, question));
        }

        Assert.Equal(1, s.Node.Live.Outbox.HeldCount);
        s.Node.Wait(1);
        Assert.Empty(s.Node.Tick());
        Assert.Equal(0, s.Node.Live.Outbox.HeldCount);
        Assert.Equal(1u, s.Node.DropPackets(DropReason.NoRoute));

        // The next packet begins anew.
        Delivery again = s.Node.Send(TestNode.Host, packet);
        Assert.Equal(Verdict.Held, again.Verdict);
        Assert.Single(again.Outbox);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_silent_neighbour_holds_up_no_more_than_sixteen(Family family)
    {
        var s = new Scenario(family);
        TestPacket packet = TestPacket.Udp(s.Mesh.Node, 5000, s.Mesh.At("172.18.0.200"), 53);
        for (int i = 0; i < 16; i++)
        {
            Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Host, packet).Verdict);
        }

        s.Drops(TestNode.Host, packet, DropReason.NoRoute, NoRouteDetail.NoNeighbor);
        TestPacket known = packet with { Destination = s.Mesh.Neighbor };
        s.Forwards(TestNode.Host, known, s.Mesh.Neighbor, known);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_neighbour_in_use_is_asked_again_and_followed(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket packet = TestPacket.Udp(m.Node, 5000, m.Neighbor, 53);
        s.Node.Wait(29.9);
        s.Forwards(TestNode.Host, packet, m.Neighbor, packet);
        Assert.Empty(s.Node.Tick());
        s.Node.Wait(0.1);
        s.Forwards(TestNode.Host, packet, m.Neighbor, packet);
        byte[] probe = NeighborFrames.Probe(m.Node, TestNode.UplinkMac, m.Neighbor, TestNode.MacOf(m.Neighbor));
        Assert.Empty(FrameText.Difference(Assert.Single(s.Node.Tick()).Frame, probe));

        // It has another card now.
        MacAddress changed = MacAddress.Parse("02:00:00:00:be:ef");
        s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(m.Neighbor, changed, m.Node, TestNode.UplinkMac));
        Scenario.Same(s.Node.Send(TestNode.Host, packet), [], TestNode.Uplink, packet.Frame(TestNode.UplinkMac, changed));
        s.Node.Wait(5);
        Assert.Empty(s.Node.Tick());
    }

    [Fact]
    public void What_cannot_be_a_neighbours_message_is_dropped()
    {
        var s = new Scenario(Family.Ipv6);
        Mesh m = s.Mesh;
        byte[] question = NeighborFrames.Request(m.CurlPod, s_podMac, m.Router);
        s.Drops(TestNode.Curl, Changed(question, 21, 254), DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, Changed(question, 57, 0x55), DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, TestPacket.Icmp(m.CurlPod, m.Router, 135, 1) with { HopLimit = 255 }, DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, Solicitation(m, IpAddress.Parse("ff02::1")), DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, TestPacket.Icmp(m.CurlPod, m.Router, 134, 0) with { HopLimit = 255 }, DropReason.ForbiddenIcmpv6);
        s.Drops(TestNode.Curl, TestPacket.Icmp(m.CurlPod, m.Router, 137, 0) with { HopLimit = 255 }, DropReason.ForbiddenIcmpv6);
        s.Drops(TestNode.Uplink, TestPacket.Icmp(IpAddress.Parse("fe80::1"), m.Node, 134, 0) with { HopLimit = 255 }, DropReason.ForbiddenIcmpv6);
        TestPacket router = NeighborFrames.RouterSolicitation(m.CurlPod, s_podMac);
        s.Drops(TestNode.Curl, router with { HopLimit = 64 }, DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, router with { IcmpCode = 1 }, DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, router with { Payload = [1, 0, .. new byte[6]] }, DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, router with { Payload = [1, 2, .. new byte[6]] }, DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, router with { Source = default }, DropReason.InvalidPacket);
    }

    /// <summary>RFC 4861 section 7.1.1: the target of a solicitation is no multicast address.</summary>
    private static TestPacket Solicitation(Mesh m, IpAddress target)
    {
        byte[] payload = new byte[16];
        target.WriteTo(payload);
        return TestPacket.Icmp(m.CurlPod, m.Router, 135, 0) with { HopLimit = 255, Payload = payload };
    }

    private static byte[] Changed(byte[] frame, int at, byte value)
    {
        byte[] changed = [.. frame];
        changed[at] = value;
        return changed;
    }

    private static void Ignores(Scenario s, string port, byte[] frame)
    {
        Delivery got = s.Node.Send(port, frame);
        Assert.True(got.Verdict == Verdict.Consumed, $"{FrameText.Line(frame)}: {got}");
        Assert.Empty(got.Outbox);
    }
}
