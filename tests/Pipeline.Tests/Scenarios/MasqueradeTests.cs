using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>What leaves the node under its address and what under its own: Cilium's exemptions in their order, ports and their limits.</summary>
public sealed class MasqueradeTests
{
    private const int InRange = 40000;
    private const int FirstPort = 32768;

    public static TheoryData<Family, IpProtocol> PortProtocols => new()
    {
        { Family.Ipv4, IpProtocol.Tcp }, { Family.Ipv6, IpProtocol.Tcp }, { Family.Ipv4, IpProtocol.Udp },
        { Family.Ipv6, IpProtocol.Udp }, { Family.Ipv4, IpProtocol.Sctp }, { Family.Ipv6, IpProtocol.Sctp },
    };

    [Theory]
    [MemberData(nameof(PortProtocols))]
    public void A_pod_reaches_the_outside_under_the_nodes_address(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Of(protocol, m.CurlPod, InRange, m.Outside, 443);
        TestPacket reply = TestPacket.Of(protocol, m.Outside, 443, m.Node, InRange);
        for (int i = 0; i < 2; i++)
        {
            s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node });
            s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Destination = m.CurlPod });
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_port_below_the_range_is_moved_into_it(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        foreach (bool hasChecksum in (bool[])[true, false])
        {
            TestPacket request = TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53) with { HasUdpChecksum = hasChecksum };
            ushort port = s.Sends(TestNode.Curl, request).SourcePort;
            Assert.InRange(port, FirstPort, 65535);
            s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node, SourcePort = port });
            TestPacket reply = TestPacket.Udp(m.Outside, 53, m.Node, port) with { HasUdpChecksum = hasChecksum };
            s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Destination = m.CurlPod, DestinationPort = 1024 });
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Two_pods_with_one_port_get_two(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket first = TestPacket.Tcp(m.CurlPod, InRange, m.Outside, 443);
        TestPacket second = first with { Source = m.Webpod1 };
        s.Forwards(TestNode.Curl, first, m.Gateway, first.Hopped() with { Source = m.Node });
        ushort port = s.Sends(TestNode.Web1, second).SourcePort;
        Assert.InRange(port, FirstPort, 65535);
        Assert.NotEqual(InRange, port);
        TestPacket reply = TestPacket.Tcp(m.Outside, 443, m.Node, port);
        s.Forwards(TestNode.Uplink, reply, TestNode.Web1, reply.Hopped() with { Destination = m.Webpod1, DestinationPort = InRange });

        // To another destination the same port is free again.
        TestPacket other = second with { Destination = m.RouterOnTheWay };
        s.Forwards(TestNode.Web1, other, m.Gateway, other.Hopped() with { Source = m.Node });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Ids_of_echoes_are_kept_apart_and_restored(Family family)
    {
        foreach (int id in (int[])[77, 0, 65535])
        {
            var s = new Scenario(family);
            Mesh m = s.Mesh;
            TestPacket first = TestPacket.EchoRequest(m.CurlPod, m.Outside, id);
            s.Forwards(TestNode.Curl, first, m.Gateway, first.Hopped() with { Source = m.Node });
            TestPacket second = TestPacket.EchoRequest(m.Webpod1, m.Outside, id);
            int moved = s.Sends(TestNode.Web1, second).EchoId;
            Assert.NotEqual(id, moved);
            s.Forwards(TestNode.Web1, second, m.Gateway, TestPacket.EchoRequest(m.Node, m.Outside, moved).Hopped());
            s.Forwards(TestNode.Uplink, TestPacket.EchoReply(m.Outside, m.Node, moved), TestNode.Web1, TestPacket.EchoReply(m.Outside, m.Webpod1, id).Hopped());
            s.Forwards(TestNode.Uplink, TestPacket.EchoReply(m.Outside, m.Node, id), TestNode.Curl, TestPacket.EchoReply(m.Outside, m.CurlPod, id).Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_host_keeps_its_port_unless_a_pod_has_it(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket free = TestPacket.Tcp(m.Node, InRange, m.Outside, 443);
        s.Forwards(TestNode.Host, free, m.Gateway, free);
        TestPacket pod = TestPacket.Tcp(m.CurlPod, InRange + 1, m.Outside, 443);
        s.Forwards(TestNode.Curl, pod, m.Gateway, pod.Hopped() with { Source = m.Node });
        TestPacket taken = free with { SourcePort = InRange + 1 };
        ushort port = s.Sends(TestNode.Host, taken).SourcePort;
        Assert.NotEqual(InRange + 1, port);
        TestPacket reply = TestPacket.Tcp(m.Outside, 443, m.Node, port);
        s.Forwards(TestNode.Uplink, reply, TestNode.Host, reply with { DestinationPort = InRange + 1 });

        // Ports below the range meet nobody and are not recorded.
        int count = s.Node.SnatCount;
        TestPacket low = free with { SourcePort = 5000 };
        s.Forwards(TestNode.Host, low, m.Gateway, low);
        Assert.Equal(count, s.Node.SnatCount);
    }

    /// <summary>The mapping is there until it is swept, but no way in: the world would keep the flow alive, and the pod answer under its own address.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_flow_that_is_over_lets_nobody_in(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Udp(m.CurlPod, InRange, m.Outside, 53);
        TestPacket late = TestPacket.Udp(m.Outside, 53, m.Node, InRange);
        s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node });
        s.Node.Wait(59);
        s.Forwards(TestNode.Uplink, late, TestNode.Curl, late.Hopped() with { Destination = m.CurlPod });
        s.Node.Wait(60);
        Assert.Equal(1, s.Node.SnatCount);
        s.Forwards(TestNode.Uplink, late, TestNode.Host, late);

        // The pod may go on.
        s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node });
        s.Forwards(TestNode.Uplink, late, TestNode.Curl, late.Hopped() with { Destination = m.CurlPod });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Answers_of_a_pod_keep_its_address(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.Outside, 5000, m.CurlPod, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, request, TestNode.Curl, request.Hopped());
        TestPacket reply = TestPacket.Tcp(m.CurlPod, 80, m.Outside, 5000, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Curl, reply, m.Gateway, reply.Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Exempt_destinations_see_the_pod(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;

        // The native-routing CIDR, by a route to an address that no node has; ip-masq-agent's list; the other nodes.
        s.Node.Apply(new() { Routes = [new(m.Prefix("10.0.9.0/24"), m.Neighbor, "test")] });
        Keeps(s, m.At("10.0.9.9"), m.Neighbor);
        Keeps(s, m.EastPod, m.EastWorker);
        Keeps(s, m.ControlPlane, m.ControlPlane);
        Keeps(s, m.EastWorker, m.EastWorker);

        // A neighbour that is no node is the outside.
        TestPacket packet = TestPacket.Tcp(m.CurlPod, InRange, m.Neighbor, 80);
        s.Forwards(TestNode.Curl, packet, m.Neighbor, packet.Hopped() with { Source = m.Node });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Strangers_routed_through_and_pods_of_a_node_without_masquerade_keep_their_source(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket through = TestPacket.Tcp(m.Neighbor, InRange, m.Outside, 80);
        s.Forwards(TestNode.Uplink, through, m.Gateway, through.Hopped());
        TestPacket stranger = TestPacket.Tcp(m.At("172.17.0.9"), InRange, m.Outside, 80);
        s.Forwards(TestNode.Host, stranger, m.Gateway, stranger);
        s.Node.Apply(new() { Masquerade = new MasqueradeSpec(false, []) });
        Keeps(s, m.Outside, m.Gateway);
    }

    [Fact]
    public void By_option_IPv6_leaves_as_it_is_and_IPv4_does_not()
    {
        var node = new TestNode(local: l => l with { Flows = new FlowOptions { MasqueradesIpv6 = false } });
        foreach (Family family in (Family[])[Family.Ipv4, Family.Ipv6])
        {
            var s = new Scenario(family, node);
            Mesh m = s.Mesh;
            TestPacket request = TestPacket.Tcp(m.CurlPod, InRange, m.Outside, 443);
            s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = family == Family.Ipv4 ? m.Node : m.CurlPod });

            // A NodePort's client is translated all the same: its answer must come back by this node.
            s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.WestPod)] });
            TestPacket outside = TestPacket.Tcp(m.Outside, InRange, m.Node, 30080);
            s.Forwards(TestNode.Uplink, outside, m.ControlPlane, outside.Hopped() with { Source = m.Node, Destination = m.WestPod, DestinationPort = 80 });
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_NodePorts_flow_is_translated_before_every_exemption(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Masquerade = new MasqueradeSpec(false, []), Services = [TestNode.Webpod(x => x.WestPod)] });
        TestPacket request = TestPacket.Tcp(m.Outside, InRange, m.Node, 30080);
        s.Forwards(TestNode.Uplink, request, m.ControlPlane, request.Hopped() with { Source = m.Node, Destination = m.WestPod, DestinationPort = 80 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_change_of_the_exemptions_is_for_new_flows(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket outside = TestPacket.Tcp(m.CurlPod, InRange, m.Outside, 80);
        TestPacket east = outside with { Destination = m.EastPod };
        s.Forwards(TestNode.Curl, outside, m.Gateway, outside.Hopped() with { Source = m.Node });
        s.Forwards(TestNode.Curl, east, m.EastWorker, east.Hopped());

        s.Node.Apply(new() { Masquerade = TestNode.MasqueradeOf("203.0.113.0/24") });
        s.Forwards(TestNode.Curl, outside, m.Gateway, outside.Hopped() with { Source = m.Node });
        s.Forwards(TestNode.Curl, east, m.EastWorker, east.Hopped());
        TestPacket newOutside = outside with { SourcePort = InRange + 1 };
        s.Forwards(TestNode.Curl, newOutside, m.Gateway, newOutside.Hopped());
        TestPacket newEast = east with { SourcePort = InRange + 1 };
        s.Forwards(TestNode.Curl, newEast, m.EastWorker, newEast.Hopped() with { Source = m.Node });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_full_range_refuses_the_next_flow(Family family)
    {
        var s = new Scenario(family, new TestNode(nodePortLast: 65531));
        Mesh m = s.Mesh;
        var ports = new HashSet<ushort>();
        for (int i = 0; i < 4; i++)
        {
            ports.Add(s.Sends(TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024 + i, m.Outside, 53)).SourcePort);
        }

        Assert.Equal([65532, 65533, 65534, 65535], ports.Order().Select(p => (int)p));
        s.Drops(TestNode.Curl, TestPacket.Udp(m.CurlPod, 2000, m.Outside, 53), DropReason.NoSnatMapping);
        TestPacket elsewhere = TestPacket.Udp(m.CurlPod, 2000, m.RouterOnTheWay, 53);
        Assert.Equal(m.Node, s.Sends(TestNode.Curl, elsewhere).Source);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_mapping_dies_with_its_flow(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Sends(TestNode.Curl, TestPacket.Udp(m.CurlPod, InRange, m.Outside, 53));
        s.Node.Wait(ConntrackTimers.Any - 1);
        s.Node.Sweep();
        Assert.Equal(1, s.Node.SnatCount);
        s.Node.Wait(1);
        s.Node.Sweep();
        Assert.Equal(0, s.Node.SnatCount);
        Assert.Equal(0, s.Node.ConntrackCount);

        // A late answer is the node's own.
        TestPacket late = TestPacket.Udp(m.Outside, 53, m.Node, InRange);
        s.Forwards(TestNode.Uplink, late, TestNode.Host, late);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Other_icmp_of_pods_is_not_masqueraded_and_the_hosts_passes(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        int type = m.IsIpv4 ? 13 : 139;
        s.Drops(TestNode.Curl, TestPacket.Icmp(m.CurlPod, m.Outside, type, 0), DropReason.UnsupportedForSnat);
        TestPacket host = TestPacket.Icmp(m.Node, m.Outside, type, 0);
        s.Forwards(TestNode.Host, host, m.Gateway, host);
    }

    /// <summary>Cilium's enable-remote-node-masquerade; the exemptions before it in the order still hold.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void By_option_the_other_nodes_see_the_node(Family family)
    {
        var s = new Scenario(family, new TestNode(local: l => l with { Flows = new FlowOptions { MasqueradesRemoteNodes = true } }));
        Mesh m = s.Mesh;
        TestPacket packet = TestPacket.Tcp(m.CurlPod, InRange, m.EastWorker, 80);
        s.Forwards(TestNode.Curl, packet, m.EastWorker, packet.Hopped() with { Source = m.Node });
        Keeps(s, m.EastPod, m.EastWorker);
        s.Node.Apply(new() { Masquerade = TestNode.MasqueradeOf("172.18.0.4/32") });
        Keeps(s, m.ControlPlane, m.ControlPlane);
    }

    private static void Keeps(Scenario s, IpAddress destination, IpAddress nextHop)
    {
        TestPacket packet = TestPacket.Tcp(s.Mesh.CurlPod, InRange, destination, 80);
        s.Forwards(TestNode.Curl, packet, nextHop, packet.Hopped());
    }
}
