using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Frontends and backends: ClusterIP and NodePort, from pods, the host stack and outside; choice, stickiness, hairpin.</summary>
public sealed class ServiceTests
{
    private const int Client = 40001;
    private const int NodePort = 30080;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void ClusterIp_to_a_local_backend_and_back(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, request, TestNode.Web1, request.Hopped() with { Destination = m.Webpod1 });
        TestPacket reply = TestPacket.Tcp(m.Webpod1, 80, m.CurlPod, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Web1, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void ClusterIp_to_a_backend_of_another_cluster_and_back(Family family)
    {
        Scenario s = With(family, m => m.EastPod);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, request, m.EastWorker, request.Hopped() with { Destination = m.EastPod });
        TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.CurlPod, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp });
        Assert.Equal(0, s.Node.SnatCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_port_of_the_service_becomes_the_port_of_the_backend(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("dns", IpProtocol.Udp, 53, 30053, 5353, x => x.Webpod2)] });
        foreach (bool hasChecksum in (bool[])[true, false])
        {
            TestPacket request = TestPacket.Udp(m.CurlPod, Client, m.ClusterIp, 53) with { HasUdpChecksum = hasChecksum };
            s.Forwards(TestNode.Curl, request, TestNode.Web2, request.Hopped() with { Destination = m.Webpod2, DestinationPort = 5353 });
            TestPacket reply = TestPacket.Udp(m.Webpod2, 5353, m.CurlPod, Client) with { HasUdpChecksum = hasChecksum };
            s.Forwards(TestNode.Web2, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp, SourcePort = 53 });
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Sctp_keeps_its_port_or_is_dropped(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new()
        {
            Services =
            [
                TestNode.Service("same", IpProtocol.Sctp, 2905, 30005, 2905, x => x.Webpod2),
                TestNode.Service("other", IpProtocol.Sctp, 2906, 30006, 2905, x => x.Webpod2),
            ],
        });
        TestPacket request = TestPacket.Of(IpProtocol.Sctp, m.CurlPod, Client, m.ClusterIp, 2905);
        s.Forwards(TestNode.Curl, request, TestNode.Web2, request.Hopped() with { Destination = m.Webpod2 });
        s.Drops(TestNode.Curl, request with { DestinationPort = 2906 }, DropReason.ChecksumNotCorrectable);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void NodePort_from_outside_to_a_local_backend_keeps_the_client(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.Outside, Client, m.Node, NodePort, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, request, TestNode.Web1, request.Hopped() with { Destination = m.Webpod1, DestinationPort = 80 });
        TestPacket reply = TestPacket.Tcp(m.Webpod1, 80, m.Outside, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Web1, reply, m.Gateway, reply.Hopped() with { Source = m.Node, SourcePort = NodePort });
        Assert.Equal(0, s.Node.SnatCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void NodePort_from_outside_to_a_remote_backend_comes_back_through_this_node(Family family)
    {
        Scenario s = With(family, m => m.EastPod);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.Outside, Client, m.Node, NodePort, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, request, m.EastWorker, request.Hopped() with { Source = m.Node, Destination = m.EastPod, DestinationPort = 80 });
        TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.Node, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Uplink, reply, m.Gateway, reply.Hopped() with { Source = m.Node, SourcePort = NodePort, Destination = m.Outside });
        TestPacket ack = request with { Flags = TcpFlags.Ack };
        s.Forwards(TestNode.Uplink, ack, m.EastWorker, ack.Hopped() with { Source = m.Node, Destination = m.EastPod, DestinationPort = 80 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_that_reaches_itself_sees_the_loopback_address(Family family)
    {
        Scenario s = With(family, m => m.CurlPod);
        Mesh m = s.Mesh;
        foreach ((IpAddress frontend, int port) in ((IpAddress, int)[])[(m.ClusterIp, 80), (m.Node, NodePort)])
        {
            int client = Client + port;
            TestPacket request = TestPacket.Tcp(m.CurlPod, client, frontend, port, TcpFlags.Syn);
            s.Forwards(TestNode.Curl, request, TestNode.Curl, request.Hopped() with { Source = m.Loopback, Destination = m.CurlPod, DestinationPort = 80 });
            TestPacket reply = TestPacket.Tcp(m.CurlPod, 80, m.Loopback, client, TcpFlags.Syn | TcpFlags.Ack);
            s.Forwards(TestNode.Curl, reply, TestNode.Curl, reply.Hopped() with { Source = frontend, SourcePort = (ushort)port, Destination = m.CurlPod });
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_host_stack_reaches_a_ClusterIp(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket local = TestPacket.Tcp(m.Node, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Host, local, TestNode.Web1, local.Hopped() with { Destination = m.Webpod1 });
        TestPacket localReply = TestPacket.Tcp(m.Webpod1, 80, m.Node, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Web1, localReply, TestNode.Host, localReply with { Source = m.ClusterIp });

        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket remote = local with { SourcePort = Client + 1 };
        s.Forwards(TestNode.Host, remote, m.EastWorker, remote with { Destination = m.EastPod });
        TestPacket remoteReply = TestPacket.Tcp(m.EastPod, 80, m.Node, Client + 1, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Uplink, remoteReply, TestNode.Host, remoteReply with { Source = m.ClusterIp });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_flow_keeps_its_backend_until_that_leaves_the_service(Family family)
    {
        Scenario s = With(family, m => m.Webpod1, m => m.Webpod2, m => m.EastPod);
        TestPacket request = TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.ClusterIp, 80);
        IpAddress first = s.Sends(TestNode.Curl, request).Destination;
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(first, s.Sends(TestNode.Curl, request).Destination);
        }

        // Others come and go: the flow stays. Its own goes: it moves once, and stays there.
        Func<Mesh, IpAddress>[] others = [.. new Func<Mesh, IpAddress>[] { m => m.Webpod1, m => m.Webpod2, m => m.EastPod }.Where(f => f(s.Mesh) != first)];
        s.Node.Apply(new() { Services = [TestNode.Webpod(m => m.WestPod, m => s.Mesh.IsIpv4 == m.IsIpv4 ? first : m.Webpod1)] });
        Assert.Equal(first, s.Sends(TestNode.Curl, request).Destination);
        s.Node.Apply(new() { Services = [TestNode.Webpod(others)] });
        IpAddress second = s.Sends(TestNode.Curl, request).Destination;
        Assert.NotEqual(first, second);
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(second, s.Sends(TestNode.Curl, request).Destination);
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Flows_spread_evenly_over_the_backends(Family family)
    {
        const int FlowCount = 6000;
        var s = new Scenario(family, new TestNode(conntrackCapacity: 3 * FlowCount));
        s.Node.Apply(new() { Services = [TestNode.Webpod(m => m.Webpod1, m => m.Webpod2, m => m.EastPod)] });
        var counts = new Dictionary<IpAddress, int>();
        for (int i = 0; i < FlowCount; i++)
        {
            IpAddress backend = s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, 1024 + i, s.Mesh.ClusterIp, 80)).Destination;
            counts[backend] = counts.GetValueOrDefault(backend) + 1;
        }

        // Five standard deviations of a binomial: 5 * sqrt(6000 * 1/3 * 2/3) = 183.
        Assert.Equal(3, counts.Count);
        Assert.All(counts.Values, c => Assert.InRange(c, 2000 - 183, 2000 + 183));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_closed_flow_reopened_within_the_grace_keeps_its_backend(Family family)
    {
        const int FlowCount = 30;
        Scenario s = With(family, m => m.Webpod1, m => m.Webpod2, m => m.EastPod);
        IpAddress[] before = [.. Enumerable.Range(0, FlowCount).Select(i => Open(s, i))];
        for (int i = 0; i < FlowCount; i++)
        {
            s.Sends(TestNode.Curl, Request(s, i) with { Flags = TcpFlags.Fin | TcpFlags.Ack });
        }

        s.Node.Wait(ConntrackTimers.ServiceRebalance - 1);
        s.Node.Sweep();
        Assert.Equal(before, Enumerable.Range(0, FlowCount).Select(i => Open(s, i)));
        for (int i = 0; i < FlowCount; i++)
        {
            s.Sends(TestNode.Curl, Request(s, i) with { Flags = TcpFlags.Rst });
        }

        s.Node.Wait(ConntrackTimers.ServiceRebalance);
        Assert.NotEqual(before, Enumerable.Range(0, FlowCount).Select(i => Open(s, i)));
    }

    private static Scenario With(Family family, params Func<Mesh, IpAddress>[] backends)
    {
        var s = new Scenario(family);
        s.Node.Apply(new() { Services = [TestNode.Webpod(backends)] });
        return s;
    }

    private static TestPacket Request(Scenario s, int i) => TestPacket.Tcp(s.Mesh.CurlPod, Client + i, s.Mesh.ClusterIp, 80);

    private static IpAddress Open(Scenario s, int i) => s.Sends(TestNode.Curl, Request(s, i) with { Flags = TcpFlags.Syn }).Destination;
}
