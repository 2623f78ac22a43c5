using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Every type of frontend from the node network and from inside: who may come, who is let in, and what is at the ports that nobody has.</summary>
public sealed class FrontendTests
{
    private const int Client = 40001;

    public static TheoryData<Family, ServiceType> External
    {
        get
        {
            var data = new TheoryData<Family, ServiceType>();
            foreach (ServiceType type in Enum.GetValues<ServiceType>().Where(t => t != ServiceType.ClusterIP))
            {
                data.Add(Family.Ipv4, type);
                data.Add(Family.Ipv6, type);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(External))]
    public void From_outside_to_a_local_backend_and_back(Family family, ServiceType type)
    {
        Scenario s = With(family, TestNode.Balanced(m => m.Webpod1));
        Mesh m = s.Mesh;
        (IpAddress at, int port) = Place(m, type);
        TestPacket request = TestPacket.Tcp(m.Outside, Client, at, port, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, request, TestNode.Web1, request.Hopped() with { Destination = m.Webpod1, DestinationPort = 80 });
        TestPacket reply = TestPacket.Tcp(m.Webpod1, 80, m.Outside, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Web1, reply, m.Gateway, reply.Hopped() with { Source = at, SourcePort = (ushort)port });
    }

    [Theory]
    [MemberData(nameof(External))]
    public void From_outside_to_a_remote_backend_and_back_through_this_node(Family family, ServiceType type)
    {
        Scenario s = With(family, TestNode.Balanced(m => m.EastPod));
        Mesh m = s.Mesh;
        (IpAddress at, int port) = Place(m, type);
        TestPacket request = TestPacket.Tcp(m.Outside, Client, at, port, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, request, m.EastWorker, request.Hopped() with { Source = m.Node, Destination = m.EastPod, DestinationPort = 80 });
        TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.Node, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Uplink, reply, m.Gateway, reply.Hopped() with { Source = at, SourcePort = (ushort)port, Destination = m.Outside });
    }

    [Theory]
    [MemberData(nameof(External))]
    public void A_pod_of_the_node_reaches_it(Family family, ServiceType type)
    {
        Scenario s = With(family, TestNode.Balanced(m => m.EastPod));
        Mesh m = s.Mesh;
        (IpAddress at, int port) = Place(m, type);
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, at, port, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, request, m.EastWorker, request.Hopped() with { Destination = m.EastPod, DestinationPort = 80 });
        TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.CurlPod, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Source = at, SourcePort = (ushort)port });
    }

    /// <summary>A ClusterIP from outside is 174, unless the node opens them (bpf.lbExternalClusterIP); then it is like any other.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_ClusterIp_is_for_the_cluster_unless_it_is_opened(Family family)
    {
        Scenario s = With(family, TestNode.Webpod(m => m.EastPod), new LoadBalancerSpec { IsClusterIpExternal = true });
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.Outside, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, request, m.EastWorker, request.Hopped() with { Source = m.Node, Destination = m.EastPod });
        new Scenario(family).Drops(TestNode.Uplink, request, DropReason.ClusterIp);
    }

    /// <summary>At an address of services the node network finds their ports and nothing else (Cilium's wildcard); inside, unknown ports are no service's.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Ports_that_no_service_has(Family family)
    {
        Scenario s = With(family, TestNode.Balanced(m => m.Webpod1));
        Mesh m = s.Mesh;
        foreach (IpAddress at in (IpAddress[])[m.ClusterIp, m.BalancerIp])
        {
            foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp])
            {
                s.Drops(TestNode.Uplink, TestPacket.Of(protocol, m.Outside, Client, at, 81), DropReason.NoBackend, NoBackendDetail.NoPort);
            }

            TestPacket inside = TestPacket.Udp(m.CurlPod, Client, at, 81);
            s.Forwards(TestNode.Curl, inside, m.Gateway, inside.Hopped() with { Source = m.Node });
            TestPacket echo = TestPacket.EchoRequest(m.Outside, at, 7);
            s.Forwards(TestNode.Uplink, echo, m.Gateway, echo.Hopped());
        }

        // An external address is not the node's alone to know, and a node's address has more than services.
        TestPacket external = TestPacket.Udp(m.Outside, Client, m.ExternalIp, 81);
        s.Forwards(TestNode.Uplink, external, m.Gateway, external.Hopped());
        TestPacket toNode = TestPacket.Udp(m.Outside, Client, m.Node, 81);
        s.Forwards(TestNode.Uplink, toNode, TestNode.Host, toNode);

        // With the last of its services the address is nobody's.
        s.Node.Apply(new() { Replace = true, Services = [] });
        TestPacket gone = TestPacket.Udp(m.Outside, Client, m.ClusterIp, 81);
        s.Forwards(TestNode.Uplink, gone, m.Gateway, gone.Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Any_protocol_takes_what_has_no_frontend_of_its_own(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new()
        {
            Services =
            [
                TestNode.Service("any", ServiceTable.AnyProtocol, 90, 30090, 90, x => x.Webpod1),
                TestNode.Service("tcp", IpProtocol.Tcp, 90, 30090, 90, x => x.Webpod2),
            ],
        });
        foreach ((IpProtocol protocol, string pod, IpAddress backend) in ((IpProtocol, string, IpAddress)[])[(IpProtocol.Tcp, TestNode.Web2, m.Webpod2), (IpProtocol.Udp, TestNode.Web1, m.Webpod1), (IpProtocol.Sctp, TestNode.Web1, m.Webpod1)])
        {
            TestPacket request = TestPacket.Of(protocol, m.CurlPod, Client, m.ClusterIp, 90);
            s.Forwards(TestNode.Curl, request, pod, request.Hopped() with { Destination = backend });
            TestPacket reply = TestPacket.Of(protocol, backend, 90, m.CurlPod, Client);
            s.Forwards(pod, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp });
        }

        s.Node.Apply(new() { Replace = true, Services = [] });
        TestPacket gone = TestPacket.Udp(m.CurlPod, Client + 1, m.ClusterIp, 90);
        s.Forwards(TestNode.Curl, gone, m.Gateway, gone.Hopped() with { Source = m.Node });
    }

    /// <summary>Only LoadBalancer frontends ask who comes, only the node network is asked, and packets of old flows are, too.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Source_ranges_admit_and_refuse(Family family)
    {
        foreach (bool isDenied in (bool[])[false, true])
        {
            var open = new Scenario(family);
            Mesh m = open.Mesh;
            ServiceSpec webpod = TestNode.Balanced(x => x.Webpod1);
            open.Node.Apply(new() { Services = [webpod] });
            TestPacket inRange = TestPacket.Tcp(m.At("203.0.113.9"), Client, m.BalancerIp, 80);
            TestPacket outOfRange = TestPacket.Tcp(m.At("203.0.114.9"), Client, m.BalancerIp, 80);
            open.Sends(TestNode.Uplink, inRange);
            open.Sends(TestNode.Uplink, inRange);
            open.Sends(TestNode.Uplink, outOfRange);
            open.Sends(TestNode.Uplink, outOfRange);
            open.Node.Apply(new() { Services = [webpod with { SourceRanges = [m.Prefix("198.51.100.0/24"), m.Prefix("203.0.113.0/24"), m.Prefix("203.0.113.9/32")], DeniesSourceRanges = isDenied }] });
            (TestPacket good, TestPacket bad) = isDenied ? (outOfRange, inRange) : (inRange, outOfRange);
            open.Forwards(TestNode.Uplink, good, TestNode.Web1, good.Hopped() with { Destination = m.Webpod1 });
            open.Drops(TestNode.Uplink, bad, DropReason.SourceRange);
            TestPacket fromPod = TestPacket.Tcp(m.CurlPod, Client, m.BalancerIp, 80);
            open.Forwards(TestNode.Curl, fromPod, TestNode.Web1, fromPod.Hopped() with { Destination = m.Webpod1 });
            foreach (ServiceType type in (ServiceType[])[ServiceType.NodePort, ServiceType.ExternalIPs, ServiceType.HostPort])
            {
                (IpAddress at, int port) = Place(m, type);
                TestPacket other = bad with { Destination = at, DestinationPort = (ushort)port, SourcePort = (ushort)(Client + 1 + (int)type) };
                open.Forwards(TestNode.Uplink, other, TestNode.Web1, other.Hopped() with { Destination = m.Webpod1, DestinationPort = 80 });
            }
        }
    }

    [Theory]
    [MemberData(nameof(External))]
    public void Source_ranges_hold_for_every_type_by_option(Family family, ServiceType type)
    {
        var v4 = new Mesh(family);
        Scenario s = With(family, TestNode.Balanced(m => m.Webpod1) with { SourceRanges = [v4.Prefix("198.51.100.0/24")] }, new LoadBalancerSpec { HasSourceRangesOnAllTypes = true });
        (IpAddress at, int port) = Place(s.Mesh, type);
        s.Drops(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Outside, Client, at, port), DropReason.SourceRange);
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.RouterOnTheWay, Client, at, port));
    }

    /// <summary>Ranges of the other family alone admit nobody of this one, and deny nobody.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Ranges_of_the_other_family(Family family)
    {
        var other = new Mesh(family == Family.Ipv4 ? Family.Ipv6 : Family.Ipv4);
        ServiceSpec webpod = TestNode.Balanced(m => m.Webpod1) with { SourceRanges = [other.Prefix("203.0.113.0/24")] };
        Scenario s = With(family, webpod);
        TestPacket request = TestPacket.Tcp(s.Mesh.Outside, Client, s.Mesh.BalancerIp, 80);
        s.Drops(TestNode.Uplink, request, DropReason.SourceRange);
        s.Node.Apply(new() { Services = [webpod with { DeniesSourceRanges = true }] });
        s.Sends(TestNode.Uplink, request);
    }

    /// <summary>Local for those outside: their address stays and only this node's backends count; those inside have all.</summary>
    [Theory]
    [MemberData(nameof(External))]
    public void External_traffic_policy_local(Family family, ServiceType type)
    {
        Scenario s = With(family, OnNodes(TestNode.Balanced(m => m.Webpod1, m => m.WestPod)) with { IsExternalLocal = true });
        Mesh m = s.Mesh;
        (IpAddress at, int port) = Place(m, type);
        string[] outside = [.. Enumerable.Range(0, 40).Select(i => s.Sends(TestNode.Uplink, TestPacket.Tcp(m.Outside, Client + i, at, port)).Port).Distinct()];
        Assert.Equal(type == ServiceType.HostPort ? 2 : 1, outside.Length);
        Assert.Equal(2, Enumerable.Range(0, 40).Select(i => s.Sends(TestNode.Curl, TestPacket.Tcp(m.CurlPod, Client + i, at, port)).Port).Distinct().Count());
        if (type != ServiceType.HostPort)
        {
            s.Node.Apply(new() { Services = [OnNodes(TestNode.Balanced(x => x.WestPod)) with { IsExternalLocal = true }] });
            s.Drops(TestNode.Uplink, TestPacket.Tcp(m.Outside, 5000, at, port), DropReason.NoBackend, NoBackendDetail.NoneLocal);
            TestPacket inside = TestPacket.Tcp(m.CurlPod, 5000, at, port);
            s.Forwards(TestNode.Curl, inside, m.ControlPlane, inside.Hopped() with { Destination = m.WestPod, DestinationPort = 80 });
            TestPacket reply = TestPacket.Tcp(m.WestPod, 80, m.CurlPod, 5000);
            s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Source = at, SourcePort = (ushort)port });
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Internal_traffic_policy_local(Family family)
    {
        Scenario s = With(family, OnNodes(TestNode.Balanced(m => m.Webpod1, m => m.WestPod)) with { IsInternalLocal = true });
        Mesh m = s.Mesh;
        foreach ((IpAddress at, int port) in ((IpAddress, int)[])[(m.ClusterIp, 80), (m.BalancerIp, 80), (m.Node, 30080)])
        {
            Assert.All(Enumerable.Range(0, 40), i => Assert.Equal(TestNode.Web1, s.Sends(TestNode.Curl, TestPacket.Tcp(m.CurlPod, Client + i, at, port)).Port));
        }

        Assert.Equal(2, Enumerable.Range(0, 40).Select(i => s.Sends(TestNode.Uplink, TestPacket.Tcp(m.Outside, Client + i, m.BalancerIp, 80)).Port).Distinct().Count());
        s.Node.Apply(new() { Services = [OnNodes(TestNode.Balanced(x => x.WestPod)) with { IsInternalLocal = true }] });
        s.Drops(TestNode.Curl, TestPacket.Tcp(m.CurlPod, 5000, m.ClusterIp, 80), DropReason.NoBackend, NoBackendDetail.NoneLocal);
    }

    /// <summary>The same flow has the same backend on nodes that know nothing of each other.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void With_maglev_every_node_chooses_alike(Family family)
    {
        ServiceSpec webpod = TestNode.Webpod(m => m.Webpod1, m => m.Webpod2, m => m.EastPod) with { Algorithm = LoadBalancingAlgorithm.Maglev };
        var one = new Scenario(family, new TestNode(seed: 1));
        var other = new Scenario(family, new TestNode(seed: 2));
        one.Node.Apply(new() { Services = [TestNode.Webpod(m => m.Outside)] }); // Other ids on this node.
        one.Node.Apply(new() { Services = [webpod] });
        other.Node.Apply(new() { Services = [webpod] });
        var met = new HashSet<IpAddress>();
        for (int i = 0; i < 200; i++)
        {
            TestPacket request = TestPacket.Tcp(one.Mesh.CurlPod, 10_000 + i, one.Mesh.ClusterIp, 80, TcpFlags.Syn);
            IpAddress backend = one.Sends(TestNode.Curl, request).Destination;
            Assert.Equal(backend, other.Sends(TestNode.Curl, request).Destination);
            met.Add(backend);
        }

        Assert.Equal(3, met.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Another_loopback_address(Family family)
    {
        IpAddress loopback = IpAddress.Parse("169.254.9.9");
        Scenario s = With(family, TestNode.Webpod(m => m.CurlPod), new LoadBalancerSpec { LoopbackIpv4 = loopback });
        Mesh m = s.Mesh;
        IpAddress seen = m.IsIpv4 ? loopback : m.Loopback;
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, request, TestNode.Curl, request.Hopped() with { Source = seen, Destination = m.CurlPod });
        TestPacket reply = TestPacket.Tcp(m.CurlPod, 80, seen, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Forwards(TestNode.Curl, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp, Destination = m.CurlPod });
        s.Drops(TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1, seen, 2), DropReason.UnknownTarget);
    }

    /// <summary>Who finds no backend at all is told so; who is kept from those of other nodes, or asks for a port that nobody has, is not.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Who_is_told_that_there_is_no_backend(Family family)
    {
        Scenario s = With(family, TestNode.Balanced());
        Mesh m = s.Mesh;
        TestPacket outside = TestPacket.Tcp(m.Outside, Client, m.BalancerIp, 80, TcpFlags.Syn);
        TestPacket inside = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        Assert.Equal([1, 1, 0], new[] { (TestNode.Uplink, outside), (TestNode.Curl, inside), (TestNode.Uplink, outside with { DestinationPort = 81 }) }.Select(sent => Answers(s, sent.Item1, sent.Item2)));
        s.Node.Apply(new() { Services = [OnNodes(TestNode.Balanced(x => x.WestPod)) with { IsExternalLocal = true, IsInternalLocal = true }] });
        Assert.Equal([0, 0], new[] { (TestNode.Uplink, outside), (TestNode.Curl, inside) }.Select(sent => Answers(s, sent.Item1, sent.Item2)));
    }

    private static int Answers(Scenario s, string port, TestPacket packet)
    {
        Delivery got = s.Node.Send(port, packet);
        Assert.Equal((Verdict.Drop, DropReason.NoBackend), (got.Verdict, got.Reason));
        return got.Outbox.Count;
    }

    private static Scenario With(Family family, ServiceSpec service, LoadBalancerSpec? options = null)
    {
        var s = new Scenario(family, new TestNode(local: local => local with { LoadBalancer = options ?? LoadBalancerSpec.Default }));
        s.Node.Apply(new() { Services = [service] });
        return s;
    }

    /// <summary>Backends of the other node's pods say so.</summary>
    private static ServiceSpec OnNodes(ServiceSpec service) => service with
    {
        Backends = [.. service.Backends.Select(b => b.Address == new Mesh(Family.Ipv4).WestPod || b.Address == new Mesh(Family.Ipv6).WestPod ? b with { Node = "west-control-plane" } : b)],
    };

    internal static (IpAddress Address, int Port) Place(Mesh m, ServiceType type) => type switch
    {
        ServiceType.LoadBalancer => (m.BalancerIp, 80),
        ServiceType.ExternalIPs => (m.ExternalIp, 80),
        ServiceType.HostPort => (m.Node, 8080),
        _ => (m.Node, 30080),
    };
}
