using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Every reason to drop a packet, provoked. A reason without a line here fails; so does a line whose packet meets another end.</summary>
public sealed class DropReasonTests
{
    private static readonly Dictionary<DropReason, Action<Scenario>> s_provocations = new()
    {
        [DropReason.InvalidSource] = s => s.Drops(TestNode.Curl, Udp(s) with { Source = s.Mesh.Webpod1 }, DropReason.InvalidSource),
        [DropReason.PolicyDenied] = s => Judged(s, DropReason.PolicyDenied),
        [DropReason.PolicyDeny] = s => Judged(s, DropReason.PolicyDeny, new PolicyRuleSpec(IsIngress: false, IsDeny: true, Peers: null, Ports: null, "test")),
        [DropReason.InvalidPacket] = s => s.Drops(TestNode.Curl, s.Node.Arriving(TestNode.Curl, Udp(s))[..^1], DropReason.InvalidPacket),
        [DropReason.TruncatedHeader] = s =>
        {
            var v4 = new Mesh(Family.Ipv4);
            s.Node.Apply(new() { Services = [TestNode.Webpod(m => m.EastPod) with { Forwarding = ForwardingMode.Dsr }] });
            TestPacket syn = TestPacket.Tcp(v4.Outside, 1024, v4.Node, 30080, TcpFlags.Syn);
            s.Drops(TestNode.Uplink, syn with { Ipv4Options = [.. Enumerable.Repeat((byte)1, 36)] }, DropReason.TruncatedHeader);
        },
        [DropReason.FragmentationNeeded] = s => s.Drops(TestNode.Curl, Udp(s) with { IsDontFragment = true, Payload = new byte[1500] }, DropReason.FragmentationNeeded),
        [DropReason.UnknownTransport] = s => s.Drops(TestNode.Curl, Udp(s) with { Protocol = (IpProtocol)47 }, DropReason.UnknownTransport),
        [DropReason.UnsupportedNetworkProtocol] = s => s.Drops(TestNode.Curl, Typed(s, 0x8847), DropReason.UnsupportedNetworkProtocol),
        [DropReason.UnknownIcmpCode] = UnknownIcmpCode,
        [DropReason.UnknownIcmpv6Code] = UnknownIcmpv6Code,
        [DropReason.UnknownTarget] = s => s.Drops(TestNode.Curl, Udp(s) with { Destination = Group(s) }, DropReason.UnknownTarget),
        [DropReason.Unroutable] = s => s.Drops(TestNode.Curl, Udp(s) with { Destination = s.Mesh.At("10.0.1.200") }, DropReason.Unroutable),
        [DropReason.ChecksumNotCorrectable] = s =>
            s.Drops(TestNode.Curl, TestPacket.Of(IpProtocol.Sctp, s.Mesh.CurlPod, 1024, s.Mesh.Outside, 80), DropReason.ChecksumNotCorrectable),
        [DropReason.ConntrackFull] = s =>
        {
            for (int i = 0; i < 4; i++)
            {
                s.Sends(TestNode.Curl, Udp(s)); // A flow that has begun only just would give way.
            }

            s.Drops(TestNode.Curl, Udp(s) with { SourcePort = 1 }, DropReason.ConntrackFull);
        },
        [DropReason.SourceLimit] = s =>
        {
            var other = new Scenario(s.Mesh.Family, new TestNode(local: l => l with { Flows = new FlowOptions { SourceLimits = new() { PodFlowCount = 1 } } }, workerCount: 1));
            other.Sends(TestNode.Curl, Udp(s));
            other.Drops(TestNode.Curl, Udp(s) with { SourcePort = 1 }, DropReason.SourceLimit, SourceLimitDetail.Flows);
            other.Sends(TestNode.Curl, Udp(s));
        },
        [DropReason.NewFlowGivenUp] = s =>
        {
            var other = new Scenario(s.Mesh.Family, new TestNode(local: l => l with { Flows = new FlowOptions { NewFlowsUnderLoad = 1 } }, workerCount: 1));
            other.Sends(TestNode.Curl, Udp(s));
            other.Node.Live.Conntrack.Gate!.Note(other.Node.State.Ports[TestNode.Curl].Id, 1_000_000, isDry: false);
            other.Sends(TestNode.Curl, Udp(s) with { SourcePort = 1 });
            other.Drops(TestNode.Curl, Udp(s) with { SourcePort = 2 }, DropReason.NewFlowGivenUp);
            other.Sends(TestNode.Curl, Udp(s));
        },
        [DropReason.InvalidExtensionHeader] = s =>
        {
            var v6 = new Mesh(Family.Ipv6);
            s.Drops(TestNode.Curl, TestPacket.Udp(v6.CurlPod, 1, v6.Webpod1, 1) with { Extensions = [(60, [0, 200, 1, 4, 0, 0, 0, 0])] }, DropReason.InvalidExtensionHeader);
            s.Drops(TestNode.Curl, TestPacket.Udp(v6.CurlPod, 1, v6.Webpod1, 1) with { Extensions = [(43, [0, 2, 0, 1, .. new byte[20]])] }, DropReason.InvalidExtensionHeader);
            s.Drops(TestNode.Curl, TestPacket.Udp(v6.CurlPod, 1, v6.Webpod1, 1) with { Protocol = IpProtocol.NoNext }, DropReason.InvalidExtensionHeader);
        },
        [DropReason.FragmentsNotSupported] = s =>
        {
            var other = new Scenario(s.Mesh.Family, new TestNode(local: l => l with { Flows = new FlowOptions { Fragments = FragmentMode.Drop } }));
            TestPacket whole = Udp(s) with { Payload = new byte[2000] };
            other.Drops(TestNode.Curl, whole.Fragment(0, 1000), DropReason.FragmentsNotSupported);
            other.Drops(TestNode.Curl, whole.Fragment(1000, 1008), DropReason.FragmentsNotSupported);
            other.Forwards(TestNode.Curl, Udp(s), TestNode.Web1, Udp(s).Hopped());
        },
        [DropReason.NoBackend] = s =>
        {
            s.Node.Apply(new() { Services = [TestNode.Webpod()] });
            s.Drops(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, 1024, s.Mesh.ClusterIp, 80), DropReason.NoBackend);
        },
        [DropReason.ClusterIp] = s => s.Drops(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Outside, 1024, s.Mesh.ClusterIp, 80), DropReason.ClusterIp),
        [DropReason.SourceRange] = s =>
        {
            s.Node.Apply(new() { Services = [TestNode.Balanced(m => m.Webpod1) with { SourceRanges = [s.Mesh.Prefix("192.0.2.0/24")] }] });
            s.Drops(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Outside, 1024, s.Mesh.BalancerIp, 80), DropReason.SourceRange);
        },
        [DropReason.UnsupportedLinkProtocol] = s => s.Drops(TestNode.Curl, Typed(s, 0x05DC), DropReason.UnsupportedLinkProtocol),
        [DropReason.NoSnatMapping] = s =>
            s.Drops(TestNode.Curl, TestPacket.Error(s.Mesh.CurlPod, IcmpTrouble.PortUnreachable, TestPacket.Udp(s.Mesh.Outside, 1, s.Mesh.CurlPod, 2)), DropReason.NoSnatMapping),
        [DropReason.UnsupportedForSnat] = s =>
            s.Drops(TestNode.Curl, TestPacket.Icmp(s.Mesh.CurlPod, s.Mesh.Outside, s.Mesh.IsIpv4 ? 13 : 139, 0), DropReason.UnsupportedForSnat),
        [DropReason.NoRoute] = s =>
        {
            var island = new Scenario(s.Mesh.Family, new TestNode(local: l => l with { Uplink = l.Uplink! with { Gateways = [] } }));
            island.Drops(TestNode.Curl, Udp(s) with { Destination = s.Mesh.Outside }, DropReason.NoRoute, NoRouteDetail.NoPrefix);
        },
        [DropReason.FirstFragmentMissing] = s =>
            s.Drops(TestNode.Curl, (Udp(s) with { Payload = new byte[3000] }).Fragment(1480, 1480), DropReason.FirstFragmentMissing),
        [DropReason.ForbiddenIcmpv6] = s =>
        {
            var v6 = new Mesh(Family.Ipv6);
            s.Drops(TestNode.Curl, TestPacket.Icmp(v6.CurlPod, v6.Router, 134, 0), DropReason.ForbiddenIcmpv6);
        },
        [DropReason.Vlan] = s =>
        {
            s.Drops(TestNode.Curl, Typed(s, 0x8100), DropReason.Vlan);
            s.Drops(TestNode.Curl, Typed(s, 0x88A8), DropReason.Vlan);
        },
        [DropReason.HopLimitExceeded] = s =>
        {
            s.Drops(TestNode.Curl, Udp(s) with { HopLimit = 1 }, DropReason.HopLimitExceeded);
            s.Drops(TestNode.Curl, Udp(s) with { HopLimit = 0 }, DropReason.HopLimitExceeded);
        },
        [DropReason.OtherStation] = s =>
            s.Drops(TestNode.Curl, Udp(s).Frame(TestNode.HostMac, TestNode.HostMac), DropReason.OtherStation),
    };

    public static TheoryData<Family, DropReason> Reasons
    {
        get
        {
            var data = new TheoryData<Family, DropReason>();
            foreach (DropReason reason in s_provocations.Keys)
            {
                data.Add(Family.Ipv4, reason);
                data.Add(Family.Ipv6, reason);
            }

            return data;
        }
    }

    private static readonly DropReason[] s_ofTunnels =
    [
        DropReason.TunnelHeader, DropReason.NoTunnelEndpoint, DropReason.EncapsulationProhibited, DropReason.InvalidIdentity, DropReason.UnknownSender, DropReason.TunnelLoop,
    ];

    [Fact]
    public void Every_reason_is_provoked() =>

        // Those of tunnels TunnelRefusalTests provoke in all families. Two are no stage's: a device gives EgressRefused, which DeviceLossTests of the forwarder provokes, and the queue between two workers
        // WorkerBusy, which WorkerLinksTests of Io do.
        Assert.Equal(Enum.GetValues<DropReason>().Except([DropReason.None, DropReason.EgressRefused, DropReason.WorkerBusy]).Except(s_ofTunnels).Order(), s_provocations.Keys.Order());

    [Theory]
    [MemberData(nameof(Reasons))]
    public void A_packet_is_dropped_and_counted(Family family, DropReason reason)
    {
        var s = new Scenario(family, reason == DropReason.ConntrackFull ? new TestNode(conntrackCapacity: 1) : null);
        s_provocations[reason](s);
        if (reason is not (DropReason.NoRoute or DropReason.FragmentsNotSupported or DropReason.SourceLimit or DropReason.NewFlowGivenUp))
        {
            Assert.NotEqual(0u, s.Node.DropPackets(reason));
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Addresses_that_name_no_host_are_no_source_and_no_target(Family family)
    {
        var s = new Scenario(family);
        IpAddress loopback = s.Mesh.IsIpv4 ? IpAddress.Parse("127.0.0.1") : IpAddress.Parse("::1");
        IpAddress nobody = s.Mesh.IsIpv4 ? IpAddress.AnyIpv4 : default;
        foreach (IpAddress address in (IpAddress[])[loopback, nobody, Group(s), .. s.Mesh.IsIpv4 ? (IpAddress[])[IpAddress.Parse("255.255.255.255")] : []])
        {
            s.Drops(TestNode.Curl, Udp(s) with { Destination = address }, DropReason.UnknownTarget);
            s.Drops(TestNode.Uplink, Udp(s) with { Source = address }, DropReason.InvalidSource);
            s.Drops(TestNode.Host, Udp(s) with { Source = address }, DropReason.InvalidSource);
        }
    }

    /// <summary>Each family has its own ICMP (RFC 792, RFC 4443); the other one's number is a transport that nobody knows.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_icmp_of_the_other_family_is_no_transport(Family family)
    {
        var s = new Scenario(family);
        byte[] echo = s.Mesh.IsIpv4 ? [128, 0, 0, 0, 0, 1, 0, 1] : [8, 0, 0, 0, 0, 1, 0, 1];
        TestPacket packet = Udp(s) with { Protocol = s.Mesh.IsIpv4 ? IpProtocol.Icmpv6 : IpProtocol.Icmp, RawTransport = echo };
        s.Drops(TestNode.Curl, packet, DropReason.UnknownTransport);
    }

    [Fact]
    public void A_neighbours_question_in_ipv4_is_no_question()
    {
        var s = new Scenario(Family.Ipv4);
        byte[] question = [135, 0, 0, 0, 0, 0, 0, 0, .. new byte[15], 9];
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, 0, s.Mesh.Webpod1, 0) with { Protocol = IpProtocol.Icmpv6, HopLimit = 255, RawTransport = question };
        byte[] frame = s.Node.Arriving(TestNode.Curl, packet);
        ushort sum = (ushort)~NaiveChecksum.Sum(question, NaiveChecksum.PseudoHeader(frame.AsSpan(26, 8), 58, question.Length));
        frame[36] = (byte)(sum >> 8);
        frame[37] = (byte)sum;
        s.Drops(TestNode.Curl, frame, DropReason.UnknownTransport);
    }

    /// <summary>RFC 4291 section 2.5.5.2 is a form for programs; on the wire it would pass for the IPv4 address that it holds.</summary>
    [Fact]
    public void An_ipv4_address_in_an_ipv6_header_is_invalid()
    {
        var s = new Scenario(Family.Ipv6);
        byte[] mapped = [.. new byte[10], 0xFF, 0xFF, 10, 0, 1, 105];
        byte[] webpod = [.. mapped[..15], 14];
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 53);
        byte[] source = s.Node.Arriving(TestNode.Curl, packet);
        mapped.CopyTo(source, 22);
        s.Drops(TestNode.Curl, source, DropReason.InvalidPacket);
        byte[] destination = s.Node.Arriving(TestNode.Curl, packet);
        webpod.CopyTo(destination, 38);
        s.Drops(TestNode.Curl, destination, DropReason.InvalidPacket);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Lengths_that_lie_are_invalid(Family family)
    {
        var s = new Scenario(family);
        byte[] frame = s.Node.Arriving(TestNode.Curl, Udp(s));
        for (int length = 0; length < frame.Length; length++)
        {
            s.Drops(TestNode.Curl, frame[..length], DropReason.InvalidPacket);
        }

        int udpLength = 14 + (s.Mesh.IsIpv4 ? 20 : 40) + 5;
        foreach (byte lie in (byte[])[0, 7, 255])
        {
            byte[] lying = [.. frame];
            lying[udpLength] = lie;
            s.Drops(TestNode.Curl, lying, DropReason.InvalidPacket);
        }

        byte[] tcp = s.Node.Arriving(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, 1, s.Mesh.Webpod1, 1));
        foreach (byte lie in (byte[])[0x40, 0xF0])
        {
            byte[] lying = [.. tcp];
            lying[14 + (s.Mesh.IsIpv4 ? 20 : 40) + 12] = lie;
            s.Drops(TestNode.Curl, lying, DropReason.InvalidPacket);
        }
    }

    private static void UnknownIcmpCode(Scenario s)
    {
        var v4 = new Mesh(Family.Ipv4);
        s.Sends(TestNode.Curl, TestPacket.Udp(v4.CurlPod, 40000, v4.Outside, 53));
        TestPacket error = TestPacket.Error(v4.CurlPod, IcmpTrouble.PortUnreachable, TestPacket.Udp(v4.Outside, 53, v4.CurlPod, 40000));
        s.Drops(TestNode.Curl, error with { IcmpCode = 16 }, DropReason.UnknownIcmpCode);
        s.Drops(TestNode.Curl, error with { IcmpType = 11, IcmpCode = 2 }, DropReason.UnknownIcmpCode);
    }

    private static void UnknownIcmpv6Code(Scenario s)
    {
        var v6 = new Mesh(Family.Ipv6);
        s.Sends(TestNode.Curl, TestPacket.Udp(v6.CurlPod, 40000, v6.Outside, 53));
        TestPacket error = TestPacket.Error(v6.CurlPod, IcmpTrouble.PortUnreachable, TestPacket.Udp(v6.Outside, 53, v6.CurlPod, 40000));
        s.Drops(TestNode.Curl, error with { IcmpCode = 7 }, DropReason.UnknownIcmpv6Code);
        s.Drops(TestNode.Curl, error with { IcmpType = 3, IcmpCode = 2 }, DropReason.UnknownIcmpv6Code);
    }

    private static IpAddress Group(Scenario s) => s.Mesh.IsIpv4 ? IpAddress.Parse("224.0.0.251") : IpAddress.Parse("ff02::fb");

    private static TestPacket Udp(Scenario s) => TestPacket.Udp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 53);

    private static byte[] Typed(Scenario s, int type)
    {
        byte[] frame = s.Node.Arriving(TestNode.Curl, Udp(s));
        frame[12] = (byte)(type >> 8);
        frame[13] = (byte)type;
        return frame;
    }

    /// <summary>The client's policy lets out what its rules allow, and these allow nothing.</summary>
    private static void Judged(Scenario s, DropReason reason, params PolicyRuleSpec[] rules)
    {
        const uint Identity = 65_536 + 300;
        Assert.True(LabelSelector.TryParse("k8s:app=curl", out LabelSelector? selector));
        s.Node.Apply(new()
        {
            Ipcache = [new IpcacheSpec(IpPrefix.Host(s.Mesh.CurlPod), Identity, default, 0, IpcacheFlags.None, "", "", "test")],
            Identities = [new IdentitySpec(Identity, ["k8s:app=curl"], "test")],
            Policies = [new PolicySpec("default/closed", "", selector!, false, false, true, rules, "test")],
        });
        s.Drops(TestNode.Curl, Udp(s), reason);
    }
}
