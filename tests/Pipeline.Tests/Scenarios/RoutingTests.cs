using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Packets between pods, nodes and the host stack that nobody translates: hops, MAC addresses, every transport.</summary>
public sealed class RoutingTests
{
    public static TheoryData<Family, IpProtocol> Transports
    {
        get
        {
            var data = new TheoryData<Family, IpProtocol>();
            foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp])
            {
                data.Add(Family.Ipv4, protocol);
                data.Add(Family.Ipv6, protocol);
            }

            data.Add(Family.Ipv4, IpProtocol.Icmp);
            data.Add(Family.Ipv6, IpProtocol.Icmpv6);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Pods_of_one_node_reach_each_other(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        TestPacket request = Request(s.Mesh, protocol, s.Mesh.CurlPod, s.Mesh.Webpod2);
        s.Forwards(TestNode.Curl, request, TestNode.Web2, request.Hopped());
        TestPacket reply = Request(s.Mesh, protocol, s.Mesh.Webpod2, s.Mesh.CurlPod, isReply: true);
        s.Forwards(TestNode.Web2, reply, TestNode.Curl, reply.Hopped());
        Assert.Equal(1, s.Node.ConntrackCount);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_pod_reaches_a_pod_of_another_cluster_untranslated(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        TestPacket request = Request(s.Mesh, protocol, s.Mesh.CurlPod, s.Mesh.EastPod);
        s.Forwards(TestNode.Curl, request, s.Mesh.EastWorker, request.Hopped());
        TestPacket reply = Request(s.Mesh, protocol, s.Mesh.EastPod, s.Mesh.CurlPod, isReply: true);
        s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped());
        Assert.Equal(0, s.Node.SnatCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_of_the_own_cluster_on_another_node_is_reached_by_its_node(Family family)
    {
        var s = new Scenario(family);
        TestPacket request = TestPacket.Tcp(s.Mesh.CurlPod, 1024, s.Mesh.WestPod, 80);
        s.Forwards(TestNode.Curl, request, s.Mesh.ControlPlane, request.Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_host_stack_is_no_hop_of_its_own(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket toPod = TestPacket.Tcp(m.Node, 5000, m.CurlPod, 80);
        s.Forwards(TestNode.Host, toPod, TestNode.Curl, toPod.Hopped());
        TestPacket toHost = TestPacket.Tcp(m.CurlPod, 80, m.Node, 5000);
        s.Forwards(TestNode.Curl, toHost, TestNode.Host, toHost);
        TestPacket toWorld = TestPacket.Tcp(m.Node, 5000, m.Outside, 443);
        s.Forwards(TestNode.Host, toWorld, m.Gateway, toWorld);
        TestPacket fromWorld = TestPacket.Tcp(m.Outside, 443, m.Node, 5000);
        s.Forwards(TestNode.Uplink, fromWorld, TestNode.Host, fromWorld);
        TestPacket lastHop = TestPacket.Tcp(m.Outside, 444, m.Node, 22) with { HopLimit = 1 };
        s.Forwards(TestNode.Uplink, lastHop, TestNode.Host, lastHop);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_neighbour_on_the_link_is_reached_directly(Family family)
    {
        var s = new Scenario(family);
        TestPacket request = TestPacket.Udp(s.Mesh.Node, 5353, s.Mesh.Neighbor, 53);
        s.Forwards(TestNode.Host, request, s.Mesh.Neighbor, request);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_route_of_ones_own_leads_by_its_next_hop(Family family)
    {
        var s = new Scenario(family);
        s.Node.Apply(new() { Routes = [new(s.Mesh.Prefix("192.168.7.0/24"), s.Mesh.Neighbor, "test")] });
        TestPacket request = TestPacket.Udp(s.Mesh.Node, 5353, s.Mesh.At("192.168.7.9"), 53);
        s.Forwards(TestNode.Host, request, s.Mesh.Neighbor, request);
    }

    [Fact]
    public void Options_of_ipv4_travel_along()
    {
        var s = new Scenario(Family.Ipv4);
        TestPacket packet = TestPacket.Tcp(s.Mesh.CurlPod, 1024, s.Mesh.Outside, 80) with { Ipv4Options = [7, 7, 4, 0, 0, 0, 0, 1] };
        s.Forwards(TestNode.Curl, packet with { SourcePort = 40000 }, s.Mesh.Gateway, packet.Hopped() with { Source = s.Mesh.Node, SourcePort = 40000 });
    }

    [Fact]
    public void Extension_headers_of_ipv6_travel_along()
    {
        var s = new Scenario(Family.Ipv6);
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, 40000, s.Mesh.Outside, 53) with
        {
            Extensions = [(0, [0, 0, 1, 4, 0, 0, 0, 0]), (43, [0, 1, .. new byte[14]]), (51, [0, 4, .. new byte[22]]), (60, [0, 0, 1, 4, 0, 0, 0, 0])],
        };
        s.Forwards(TestNode.Curl, packet, s.Mesh.Gateway, packet.Hopped() with { Source = s.Mesh.Node });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Padding_of_short_frames_is_not_passed_on(Family family)
    {
        var s = new Scenario(family);
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 53) with { Payload = [1] };
        byte[] padded = [.. s.Node.Arriving(TestNode.Curl, packet), .. new byte[31]];
        Scenario.Same(s.Node.Send(TestNode.Curl, padded), padded, TestNode.Web1, s.Node.Leaving(TestNode.Web1, packet.Hopped(), default));
    }

    private static TestPacket Request(Mesh mesh, IpProtocol protocol, IpAddress source, IpAddress destination, bool isReply = false) => protocol switch
    {
        IpProtocol.Icmp or IpProtocol.Icmpv6 when isReply => TestPacket.EchoReply(source, destination, 77),
        IpProtocol.Icmp or IpProtocol.Icmpv6 => TestPacket.EchoRequest(source, destination, 77),
        _ => TestPacket.Of(protocol, source, isReply ? 80 : 1024, destination, isReply ? 1024 : 80),
    };
}
