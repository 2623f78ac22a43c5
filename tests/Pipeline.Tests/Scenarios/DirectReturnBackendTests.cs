using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Direct server return at the backend's node: what it makes of another node's option, and for how long.</summary>
public sealed class DirectReturnBackendTests
{
    private const int Client = 40001;
    private const TcpFlags SynAck = TcpFlags.Syn | TcpFlags.Ack;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_later_flow_with_the_same_ports_is_told_anew(Family family)
    {
        Scenario s = DirectReturnTests.Balancer(family, ForwardingMode.Dsr);
        Mesh m = s.Mesh;
        TestPacket syn = TestPacket.Tcp(m.Outside, Client, m.Webpod1, 80, TcpFlags.Syn);
        TestPacket answer = TestPacket.Tcp(m.Webpod1, 80, m.Outside, Client, SynAck);
        Arrives(s, DsrBytes.Optioned(syn, m.BalancerIp, 80));
        s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped() with { Source = m.BalancerIp });
        Assert.True(Flow(s).Flags.HasFlag(ConntrackFlags.DsrInternal));

        // By another frontend.
        Arrives(s, DsrBytes.Optioned(syn, m.ControlPlane, 30080));
        s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped() with { Source = m.ControlPlane, SourcePort = 30080 });

        // The same client, directly: its SYN has no option, and the answer stays the pod's own.
        Arrives(s, syn);
        s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped());
        Assert.False(Flow(s).Flags.HasFlag(ConntrackFlags.DsrInternal));

        // And once more by the service.
        Arrives(s, DsrBytes.Optioned(syn, m.BalancerIp, 80));
        s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped() with { Source = m.BalancerIp });
        Assert.Equal((1, 1), (s.Node.ConntrackCount, s.Node.SnatCount));
    }

    /// <summary>Two pods behind one service and one client port: both answer in the service's name, which is no port that is taken.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Two_backends_may_have_the_same_face(Family family)
    {
        Scenario s = DirectReturnTests.Balancer(family, ForwardingMode.Dsr);
        Mesh m = s.Mesh;
        foreach ((IpAddress pod, string port) in ((IpAddress, string)[])[(m.Webpod1, TestNode.Web1), (m.Webpod2, TestNode.Web2), (m.Webpod1, TestNode.Web1)])
        {
            TestPacket query = DsrBytes.Optioned(TestPacket.Udp(m.Outside, Client, pod, 53), m.BalancerIp, 53);
            s.Forwards(TestNode.Uplink, query, port, query.Hopped());
            TestPacket answer = TestPacket.Udp(pod, 53, m.Outside, Client);
            s.Forwards(port, answer, m.Gateway, answer.Hopped() with { Source = m.BalancerIp });
            TestPacket error = TestPacket.Error(pod, IcmpTrouble.PortUnreachable, TestPacket.Udp(m.Outside, Client, pod, 53));
            s.Forwards(port, error, m.Gateway, TestPacket.Error(m.BalancerIp, IcmpTrouble.PortUnreachable, TestPacket.Udp(m.Outside, Client, m.BalancerIp, 53)).Hopped());
        }

        Assert.Equal(2, s.Node.SnatCount);
    }

    /// <summary>Nobody may open a way to a pod by an option that names this node's own address, or have a pod speak for a group.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void What_an_option_may_not_do(Family family)
    {
        Scenario s = DirectReturnTests.Balancer(family, ForwardingMode.Dsr);
        Mesh m = s.Mesh;
        TestPacket own = TestPacket.Udp(m.Outside, Client, m.Webpod1, 53);
        Arrives(s, DsrBytes.Optioned(own, m.Node, 50000));
        TestPacket toNode = TestPacket.Udp(m.Outside, Client, m.Node, 50000);
        s.Forwards(TestNode.Uplink, toNode, TestNode.Host, toNode);
        IpAddress group = IpAddress.Parse(m.IsIpv4 ? "224.0.0.5" : "ff02::5");
        foreach (TestPacket odd in (TestPacket[])[DsrBytes.Optioned(own with { SourcePort = 7 }, group, 53), DsrBytes.Optioned(own with { SourcePort = 7 }, m.BalancerIp, 0)])
        {
            Arrives(s, odd);
            TestPacket answer = TestPacket.Udp(m.Webpod1, 53, m.Outside, 7);
            s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped());
        }

        // Options that are none of this, and one that a pod sends.
        TestPacket other = m.IsIpv4
            ? own with { SourcePort = 8, Ipv4Options = [0x9A, 12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] }
            : own with { SourcePort = 8, Extensions = [(60, [0, 2, 0x1C, 20, .. new byte[20]])] };
        Arrives(s, other);
        TestPacket inside = DsrBytes.Optioned(TestPacket.Udp(m.CurlPod, 9, m.Webpod1, 53), m.BalancerIp, 53);
        s.Forwards(TestNode.Curl, inside, TestNode.Web1, inside.Hopped());
        Assert.Equal(1, s.Node.SnatCount);
    }

    /// <summary>A node without direct return takes no option's word.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_node_of_snat_does_not_look(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        Arrives(s, DsrBytes.Optioned(TestPacket.Udp(m.Outside, Client, m.Webpod1, 53), m.BalancerIp, 53));
        TestPacket answer = TestPacket.Udp(m.Webpod1, 53, m.Outside, Client);
        s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void No_room_for_the_record(Family family)
    {
        var s = new Scenario(family, new TestNode(snatCapacity: 1, local: l => l with { LoadBalancer = l.LoadBalancer with { Forwarding = ForwardingMode.Dsr } }, workerCount: 1));
        Mesh m = s.Mesh;
        Arrives(s, DsrBytes.Optioned(TestPacket.Udp(m.Outside, Client, m.Webpod1, 53), m.BalancerIp, 53));
        s.Drops(TestNode.Uplink, DsrBytes.Optioned(TestPacket.Udp(m.Outside, Client + 1, m.Webpod1, 53), m.BalancerIp, 53), DropReason.NoSnatMapping);
    }

    private static void Arrives(Scenario s, TestPacket packet) => s.Forwards(TestNode.Uplink, packet, TestNode.Web1, packet.Hopped());

    private static ConntrackEntry Flow(Scenario s) => DirectReturnTests.Entries(s).Single(e => e.Key.Scope == FlowScope.Flow);
}
