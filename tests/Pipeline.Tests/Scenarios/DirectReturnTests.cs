using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>
/// Direct server return at the node that balances: when it adds the option, what it keeps, what is too long; and whole conversations through both nodes.
/// DirectReturnBackendTests have the other node.
/// </summary>
public sealed class DirectReturnTests
{
    private const int Client = 40001;
    private const TcpFlags SynAck = TcpFlags.Syn | TcpFlags.Ack;

    public static TheoryData<Family, ServiceType> External => FrontendTests.External;

    [Theory]
    [MemberData(nameof(External))]
    public void A_syn_goes_on_under_the_clients_address_and_says_what_was_asked_for(Family family, ServiceType type)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, TestNode.Balanced(m => m.EastPod));
        Mesh m = s.Mesh;
        (IpAddress at, int port) = FrontendTests.Place(m, type);
        TestPacket syn = TestPacket.Tcp(m.Outside, Client, at, port, TcpFlags.Syn);
        TestPacket onward = syn.Hopped() with { Destination = m.EastPod, DestinationPort = 80 };
        s.Forwards(TestNode.Uplink, syn, m.EastWorker, DsrBytes.Optioned(onward, at, port));

        // Only a SYN has it; the others are told apart by the flow. The shortcut takes them, but not the SYN.
        for (int i = 0; i < 4; i++)
        {
            TestPacket data = syn with { Flags = TcpFlags.Ack };
            s.Forwards(TestNode.Uplink, data, m.EastWorker, onward with { Flags = TcpFlags.Ack });
        }

        s.Forwards(TestNode.Uplink, syn, m.EastWorker, DsrBytes.Optioned(onward, at, port));
        Assert.Equal(TestNode.HasShortcut ? 3ul : 0, s.Node.AllLive.Aggregate(0ul, (sum, live) => sum + live.Shortcuts.TakenCount));

        // As with Cilium the choice is all that this node keeps: no flow, no mapping.
        Assert.Equal((1, 0), (s.Node.ConntrackCount, s.Node.SnatCount));
        Assert.Equal(6ul, Choice(s).Packets);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Every_datagram_has_the_option(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        TestPacket query = TestPacket.Udp(m.Outside, Client, m.Node, 30053);
        for (int i = 0; i < 3; i++)
        {
            s.Forwards(TestNode.Uplink, query, m.EastWorker, DsrBytes.Optioned(query.Hopped() with { Destination = m.EastPod, DestinationPort = 5353 }, m.Node, 30053));
        }

        Assert.Equal((1, 0), (s.Node.ConntrackCount, s.Node.SnatCount));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Hybrid_is_direct_for_tcp_alone(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Hybrid, Dns(), TestNode.Webpod(m => m.EastPod));
        Mesh m = s.Mesh;
        TestPacket syn = TestPacket.Tcp(m.Outside, Client, m.Node, 30080, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, syn, m.EastWorker, DsrBytes.Optioned(syn.Hopped() with { Destination = m.EastPod, DestinationPort = 80 }, m.Node, 30080));
        TestPacket query = TestPacket.Udp(m.Outside, Client, m.Node, 30053);
        s.Forwards(TestNode.Uplink, query, m.EastWorker, query.Hopped() with { Source = m.Node, Destination = m.EastPod, DestinationPort = 5353 });
    }

    /// <summary>service.cilium.io/forwarding-mode wins over the node's mode, either way.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_service_may_say_otherwise(Family family)
    {
        foreach (bool isDirect in (bool[])[false, true])
        {
            ServiceSpec webpod = TestNode.Webpod(x => x.EastPod) with { Forwarding = isDirect ? ForwardingMode.Dsr : ForwardingMode.Snat };
            Scenario s = Balancer(family, isDirect ? ForwardingMode.Snat : ForwardingMode.Dsr, webpod);
            Mesh m = s.Mesh;
            TestPacket syn = TestPacket.Tcp(m.Outside, Client, m.Node, 30080, TcpFlags.Syn);
            TestPacket onward = syn.Hopped() with { Destination = m.EastPod, DestinationPort = 80 };
            s.Forwards(TestNode.Uplink, syn, m.EastWorker, isDirect ? DsrBytes.Optioned(onward, m.Node, 30080) : onward with { Source = m.Node });
            Assert.True(s.Node.State.Current.Services.Options.HasDirectReturn);
            s.Node.Apply(new() { Replace = true, Services = [] });
            Assert.Equal(!isDirect, s.Node.State.Current.Services.Options.HasDirectReturn);
        }
    }

    /// <summary>A backend of this node needs no help, and clients inside never do.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Neither_a_backend_here_nor_a_client_inside_has_to_do_with_it(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, TestNode.Webpod(m => m.Webpod1));
        Mesh m = s.Mesh;
        TestPacket syn = TestPacket.Tcp(m.Outside, Client, m.Node, 30080, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, syn, TestNode.Web1, syn.Hopped() with { Destination = m.Webpod1, DestinationPort = 80 });
        TestPacket answer = TestPacket.Tcp(m.Webpod1, 80, m.Outside, Client, SynAck);
        s.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped() with { Source = m.Node, SourcePort = 30080 });
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket inside = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, inside, m.EastWorker, inside.Hopped() with { Destination = m.EastPod });
    }

    /// <summary>A flow that was masqueraded goes on so when its service becomes one of direct return, and the other way round.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Flows_keep_the_mode_that_they_began_with(Family family)
    {
        ServiceSpec webpod = TestNode.Webpod(m => m.EastPod);
        Scenario s = Balancer(family, ForwardingMode.Snat, webpod);
        Mesh m = s.Mesh;
        TestPacket old = TestPacket.Tcp(m.Outside, Client, m.Node, 30080, TcpFlags.Syn);
        TestPacket young = old with { SourcePort = Client + 1 };
        TestPacket masqueraded = old.Hopped() with { Source = m.Node, Destination = m.EastPod, DestinationPort = 80 };
        TestPacket direct = young.Hopped() with { Destination = m.EastPod, DestinationPort = 80 };
        s.Forwards(TestNode.Uplink, old, m.EastWorker, masqueraded);
        s.Node.Apply(new() { Services = [webpod with { Forwarding = ForwardingMode.Dsr }] });
        s.Forwards(TestNode.Uplink, young, m.EastWorker, DsrBytes.Optioned(direct, m.Node, 30080));
        s.Forwards(TestNode.Uplink, old with { Flags = TcpFlags.Ack }, m.EastWorker, masqueraded with { Flags = TcpFlags.Ack });
        s.Node.Apply(new() { Services = [webpod] });
        s.Forwards(TestNode.Uplink, young with { Flags = TcpFlags.Ack }, m.EastWorker, direct with { Flags = TcpFlags.Ack });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Sessions_hold_over_the_shortcut(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, TestNode.Webpod(m => m.EastPod) with { AffinitySeconds = 10 });
        Mesh m = s.Mesh;
        TestPacket data = TestPacket.Tcp(m.Outside, Client, m.Node, 30080);
        for (int i = 0; i < 5; i++)
        {
            s.Node.Wait(9);
            s.Forwards(TestNode.Uplink, data, m.EastWorker, data.Hopped() with { Destination = m.EastPod, DestinationPort = 80 });
        }

        Assert.Equal(1, s.Node.AllLive.Sum(live => live.Affinities.Count));
        Assert.Equal(s.Node.Now.Seconds, Choice(s).LastTx);
    }

    /// <summary>The sender hears what is left of the MTU behind the option (Cilium's THIS_MTU - ohead).</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_option_counts_towards_the_mtu(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        int headers = m.IsIpv4 ? 28 : 48;
        int most = 1500 - OptionLength(m);
        TestPacket fits = TestPacket.Udp(m.Outside, Client, m.Node, 30053) with { IsDontFragment = true, Payload = new byte[most - headers] };
        s.Forwards(TestNode.Uplink, fits, m.EastWorker, DsrBytes.Optioned(fits.Hopped() with { Destination = m.EastPod, DestinationPort = 5353 }, m.Node, 30053));
        TestPacket tooLong = fits with { Payload = new byte[most - headers + 1] };
        s.Refuses(
            TestNode.Uplink, tooLong, DropReason.FragmentationNeeded,
            TestPacket.Error(m.Node, IcmpTrouble.TooBig, tooLong, m.IsIpv4 ? 548 : 1232, most) with { TrafficClass = 0xC0, Id = 0 });
        Assert.Equal(1ul, s.Node.DropPackets(DropReason.FragmentationNeeded));
    }

    /// <summary>Without DF it is cut as any other; the option has the copied flag, so that every piece says whom the client asked for.</summary>
    [Fact]
    public void Without_DF_every_piece_has_the_option()
    {
        Scenario s = Balancer(Family.Ipv4, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        TestPacket whole = TestPacket.Udp(m.Outside, Client, m.Node, 30053) with { Payload = new byte[1472] };
        TestPacket onward = DsrBytes.Optioned(whole.Hopped() with { Destination = m.EastPod, DestinationPort = 5353 }, m.Node, 30053);
        s.Fragments(TestNode.Uplink, s.Node.Arriving(TestNode.Uplink, whole), default, TestNode.Uplink, m.EastWorker, onward.Fragment(0, 1472), onward.Fragment(1472, 8));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Fragments_of_the_client_each_get_it(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        TestPacket whole = TestPacket.Udp(m.Outside, Client, m.Node, 30053) with { Payload = new byte[2000] };
        TestPacket onward = whole.Hopped() with { Destination = m.EastPod, DestinationPort = 5353 };
        foreach ((int offset, int length) in ((int, int)[])[(0, 1400), (1400, 608)])
        {
            s.Forwards(TestNode.Uplink, whole.Fragment(offset, length), m.EastWorker, DsrBytes.Optioned(onward, m.Node, 30053).Fragment(offset, length));
        }
    }

    [Fact]
    public void A_header_without_room_for_the_option_is_dropped()
    {
        Scenario s = Balancer(Family.Ipv4, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        TestPacket query = TestPacket.Udp(m.Outside, Client, m.Node, 30053) with { Ipv4Options = [.. Enumerable.Repeat((byte)1, 32)] };
        TestPacket onward = query.Hopped() with { Destination = m.EastPod, DestinationPort = 5353 };
        s.Forwards(TestNode.Uplink, query, m.EastWorker, onward with { Ipv4Options = [.. DsrBytes.Option(m.Node, 30053), .. query.Ipv4Options] });
        s.Drops(TestNode.Uplink, query with { Ipv4Options = [.. query.Ipv4Options, 1, 1, 1, 1] }, DropReason.TruncatedHeader);
    }

    /// <summary>Hop-by-hop options must stay the first (RFC 8200 section 4.1); Cilium's reader finds the option behind them.</summary>
    [Fact]
    public void Hop_by_hop_options_stay_in_front()
    {
        Scenario s = Balancer(Family.Ipv6, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        (byte, byte[]) hopByHop = (0, [0, 0, 1, 4, 0, 0, 0, 0]);
        TestPacket query = TestPacket.Udp(m.Outside, Client, m.Node, 30053) with { Extensions = [hopByHop] };
        TestPacket onward = query.Hopped() with { Destination = m.EastPod, DestinationPort = 5353, Extensions = [hopByHop, DsrBytes.Extension(m.Node, 30053)] };
        s.Forwards(TestNode.Uplink, query, m.EastWorker, onward);
        Scenario backend = Balancer(Family.Ipv6, ForwardingMode.Dsr);
        TestPacket arriving = onward with { Destination = m.Webpod1 };
        backend.Forwards(TestNode.Uplink, arriving, TestNode.Web1, arriving.Hopped());
        TestPacket answer = TestPacket.Udp(m.Webpod1, 5353, m.Outside, Client);
        backend.Forwards(TestNode.Web1, answer, m.Gateway, answer.Hopped() with { Source = m.Node, SourcePort = 30053 });
    }

    /// <summary>A super-packet's segments repeat the option; its offsets move with the headers.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Super_packets_and_partial_checksums(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        TestPacket query = TestPacket.Udp(m.Outside, Client, m.Node, 30053) with { Payload = [.. Enumerable.Range(0, 3000).Select(i => (byte)i)], IsDontFragment = true };
        byte[] frame = s.Node.Arriving(TestNode.Uplink, query);
        VirtioNetHeader offload = Offload.MakePartial(frame, VirtioGsoType.UdpL4, segmentLength: 1000, headerLength: (ushort)(m.IsIpv4 ? 42 : 62));
        Delivery got = s.Node.Send(TestNode.Uplink, frame, offload);
        Assert.Equal(Verdict.Transmit, got.Verdict);
        List<byte[]> segments = Offload.Cut(got.Frame, got.Offload);
        Assert.Equal(3, segments.Count);
        for (int i = 0; i < 3; i++)
        {
            TestPacket segment = query.Hopped() with { Destination = m.EastPod, DestinationPort = 5353, Payload = query.Payload[(i * 1000)..((i + 1) * 1000)], Id = (ushort)(query.Id + i) };
            string difference = FrameText.Difference(segments[i], s.Node.Leaving(TestNode.Uplink, DsrBytes.Optioned(segment, m.Node, 30053), m.EastWorker));
            Assert.True(difference.Length == 0, $"segment {i}{difference}");
        }

        // A segment, not the whole, must fit; and the whole must not outgrow its length field.
        TestPacket longSegments = query with { Payload = new byte[2900] };
        frame = s.Node.Arriving(TestNode.Uplink, longSegments);
        offload = Offload.MakePartial(frame, VirtioGsoType.UdpL4, segmentLength: 1470, headerLength: (ushort)(m.IsIpv4 ? 42 : 62));
        Assert.Equal(DropReason.FragmentationNeeded, s.Node.Send(TestNode.Uplink, frame, offload).Reason);
        frame = s.Node.Arriving(TestNode.Uplink, query with { Payload = new byte[65535 - (m.IsIpv4 ? 28 : 48) - 3] });
        offload = Offload.MakePartial(frame, VirtioGsoType.UdpL4, segmentLength: 1000, headerLength: (ushort)(m.IsIpv4 ? 42 : 62));
        Assert.Equal(DropReason.FragmentationNeeded, s.Node.Send(TestNode.Uplink, frame, offload).Reason);
    }

    /// <summary>The client says that something is wrong with an answer: the error goes to the pod, as the pod's own flow has it, and has no option.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void An_error_about_an_answer_finds_the_backend(Family family)
    {
        Scenario s = Balancer(family, ForwardingMode.Dsr, Dns());
        Mesh m = s.Mesh;
        s.Sends(TestNode.Uplink, TestPacket.Udp(m.Outside, Client, m.Node, 30053));
        TestPacket seen = TestPacket.Udp(m.Node, 30053, m.Outside, Client);
        TestPacket sent = seen with { Source = m.EastPod, SourcePort = 5353 };
        s.Forwards(
            TestNode.Uplink, TestPacket.Error(m.Outside, IcmpTrouble.PortUnreachable, seen), m.EastWorker,
            TestPacket.Error(m.Outside, IcmpTrouble.PortUnreachable, sent).Hopped());
    }

    /// <summary>Two pipelines: the client, the node that balances, the backend's node, and the answer past the first straight to the client.</summary>
    [Theory]
    [InlineData(Family.Ipv4, IpProtocol.Tcp)]
    [InlineData(Family.Ipv6, IpProtocol.Tcp)]
    [InlineData(Family.Ipv4, IpProtocol.Udp)]
    [InlineData(Family.Ipv6, IpProtocol.Udp)]
    public void Whole_conversations_through_both_nodes(Family family, IpProtocol protocol)
    {
        var m = new Mesh(family);
        const string Far = "default/far";
        ServiceSpec service = TestNode.Service("far", protocol, 80, 30080, 8080) with
        {
            Frontends = [new FrontendSpec(ServiceType.LoadBalancer, m.BalancerIp, 80)],
            Backends = [new BackendSpec(m.At("10.0.7.7"), 8080, "west", "west-control-plane")],
        };
        Scenario balancer = Balancer(family, ForwardingMode.Dsr, service);
        balancer.Node.Apply(new() { Routes = [new RouteSpec(m.Prefix("10.0.7.0/24"), m.ControlPlane, "test")] });
        var backend = new Scenario(family, new TestNode(local: l => l with
        {
            PodCidrs = [.. l.PodCidrs, m.Prefix("10.0.7.0/24")],
            LoadBalancer = l.LoadBalancer with { Forwarding = ForwardingMode.Dsr },
        }));
        backend.Node.Apply(new() { Endpoints = [new EndpointSpec(Far, Far, "eth0", MacAddress.Parse("02:00:0a:00:07:07"), [m.At("10.0.7.7")], "test")] });
        for (int i = 0; i < 8; i++)
        {
            TcpFlags flags = i == 0 ? TcpFlags.Syn : i == 7 ? TcpFlags.Fin | TcpFlags.Ack : TcpFlags.Ack;
            TestPacket request = TestPacket.Of(protocol, m.Outside, Client, m.BalancerIp, 80) with { Flags = flags, Payload = [1, 2, (byte)i] };
            TestPacket onward = request.Hopped() with { Destination = m.At("10.0.7.7"), DestinationPort = 8080 };
            onward = protocol == IpProtocol.Udp || i == 0 ? DsrBytes.Optioned(onward, m.BalancerIp, 80) : onward;
            byte[] wire = balancer.Node.Send(TestNode.Uplink, request).Frame;
            byte[] wanted = balancer.Node.Leaving(TestNode.Uplink, onward, m.ControlPlane);
            Assert.True(FrameText.Difference(wire, wanted).Length == 0, FrameText.Difference(wire, wanted));

            // The option stays in the packet: the pod sees it, as with Cilium.
            TestNode.UplinkMac.WriteTo(wire);
            Scenario.Same(backend.Node.Send(TestNode.Uplink, wire), wire, Far, backend.Node.Leaving(Far, onward.Hopped(), default));
            TestPacket answer = TestPacket.Of(protocol, m.At("10.0.7.7"), 8080, m.Outside, Client) with { Flags = i == 0 ? SynAck : flags, Payload = [9, (byte)i] };
            backend.Forwards(Far, answer, m.Gateway, answer.Hopped() with { Source = m.BalancerIp, SourcePort = 80 });
        }

        Assert.Equal((1, 0), (balancer.Node.ConntrackCount, balancer.Node.SnatCount));
        Assert.Equal((1, 1), (backend.Node.ConntrackCount, backend.Node.SnatCount));
        Assert.Equal(TestNode.HasShortcut, backend.Node.AllLive.Any(live => live.Shortcuts.TakenCount > 0));

        // The record goes with the flow.
        backend.Node.Wait(61);
        backend.Node.Sweep();
        Assert.Equal((0, 0), (backend.Node.ConntrackCount, backend.Node.SnatCount));
    }

    internal static Scenario Balancer(Family family, ForwardingMode mode, params ServiceSpec[] services)
    {
        var s = new Scenario(family, new TestNode(local: l => l with { LoadBalancer = l.LoadBalancer with { Forwarding = mode } }));
        s.Node.Apply(new() { Replace = true, Services = services });
        return s;
    }

    private static ServiceSpec Dns() => TestNode.Service("default/dns", IpProtocol.Udp, 53, 30053, 5353, m => m.EastPod);

    private static ConntrackEntry Choice(Scenario s) => Entries(s).Single(e => e.Key.Scope == FlowScope.Service);

    internal static IEnumerable<ConntrackEntry> Entries(Scenario s) => s.Node.AllLive
        .SelectMany(live => Enumerable.Range(0, live.Conntrack.Capacity).Select(i => live.Conntrack[i])).Where(e => e.Flags.HasFlag(ConntrackFlags.Used));

    private static int OptionLength(Mesh m) => m.IsIpv4 ? 8 : 24;
}
