using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>
/// What the datapath itself tells the sender of a packet that goes no further: who speaks, what is quoted, and when it is silent. The quoted
/// packet is always the one that the sender sent, whatever was translated before it was dropped.
/// </summary>
public sealed class IcmpAnswerTests
{
    private const int Client = 40001;
    private const byte Control = 0xC0;

    public static TheoryData<Family, IpProtocol> Transports => new()
    {
        { Family.Ipv4, IpProtocol.Tcp }, { Family.Ipv6, IpProtocol.Tcp }, { Family.Ipv4, IpProtocol.Udp }, { Family.Ipv6, IpProtocol.Udp },
    };

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_service_without_backends_says_port_unreachable_itself(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", protocol, 80, 30080, 80)] });
        TestPacket pod = TestPacket.Of(protocol, m.CurlPod, Client, m.ClusterIp, 80) with { TrafficClass = 0x22, Flags = TcpFlags.Syn, Payload = new byte[1300] };
        s.Refuses(TestNode.Curl, pod, DropReason.NoBackend, NoBackend(pod));
        TestPacket outside = pod with { Source = m.Outside, Destination = m.Node, DestinationPort = 30080 };
        s.Refuses(TestNode.Uplink, outside, DropReason.NoBackend, NoBackend(outside));
        TestPacket host = pod with { Source = m.Node };
        s.Refuses(TestNode.Host, host, DropReason.NoBackend, NoBackend(host));
        Assert.Equal(3ul, s.Node.Live.Icmp.SentCount(IcmpAnswerKind.NoBackend));
        Assert.Equal(3ul, s.Node.Live.Counters.DropPackets(DropReason.NoBackend));
        Assert.Equal(0, s.Node.Live.Conntrack.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void By_option_it_says_nothing(Family family)
    {
        var s = new Scenario(family, new TestNode(local: l => l with { Flows = new FlowOptions { RefusesNoBackend = false } }));
        s.Node.Apply(new() { Services = [TestNode.Webpod()] });
        s.DropsSilently(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.ClusterIp, 80, TcpFlags.Syn), DropReason.NoBackend);
    }

    /// <summary>From the pods' side the router speaks, from the node network the node; the host hears the destination, since both are its own.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void An_expired_packet_is_quoted_as_it_was_sent(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket direct = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 33434);
        TestPacket masqueraded = TestPacket.Udp(m.CurlPod, 1024, m.Outside, 33434);
        TestPacket service = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        TestPacket echo = TestPacket.EchoRequest(m.CurlPod, m.Outside, 7);
        TestPacket unsummed = masqueraded with { SourcePort = 1025, HasUdpChecksum = false };
        foreach (TestPacket packet in (TestPacket[])[direct, masqueraded, service, echo, unsummed])
        {
            for (int hopLimit = 0; hopLimit < 2; hopLimit++)
            {
                TestPacket sent = packet with { HopLimit = hopLimit };
                s.Refuses(TestNode.Curl, sent, DropReason.HopLimitExceeded, Answer(m.Router, IcmpTrouble.TimeExceeded, sent));
            }
        }

        // A NodePort's flow to a remote backend: both ends translated.
        TestPacket outside = TestPacket.Tcp(m.Outside, 5000, m.Node, 30080, TcpFlags.Syn) with { HopLimit = 1 };
        s.Refuses(TestNode.Uplink, outside, DropReason.HopLimitExceeded, Answer(m.Node, IcmpTrouble.TimeExceeded, outside));
        TestPacket host = TestPacket.Udp(m.Node, Client, m.CurlPod, 33434) with { HopLimit = 1 };
        s.Refuses(TestNode.Host, host, DropReason.HopLimitExceeded, Answer(m.CurlPod, IcmpTrouble.TimeExceeded, host));
    }

    /// <summary>A pod's answer to a masqueraded client, and the world's to a pod: the translation of replies is undone, too.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void So_is_an_expired_answer(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        ushort port = s.Sends(TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53)).SourcePort;
        TestPacket answer = TestPacket.Udp(m.Outside, 53, m.Node, port) with { HopLimit = 1 };
        s.Refuses(TestNode.Uplink, answer, DropReason.HopLimitExceeded, Answer(m.Node, IcmpTrouble.TimeExceeded, answer));

        s.Sends(TestNode.Curl, TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn));
        TestPacket reply = TestPacket.Tcp(m.Webpod1, 80, m.CurlPod, Client, TcpFlags.Syn | TcpFlags.Ack) with { HopLimit = 1 };
        s.Refuses(TestNode.Web1, reply, DropReason.HopLimitExceeded, Answer(m.Router, IcmpTrouble.TimeExceeded, reply));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_packet_too_big_hears_the_MTU(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        foreach (TestPacket packet in (TestPacket[])
        [
            TestPacket.Udp(m.CurlPod, Client, m.EastPod, 53), TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53),
            TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80), TestPacket.EchoRequest(m.CurlPod, m.Outside, 7),
        ])
        {
            TestPacket sent = packet with { IsDontFragment = true, Payload = new byte[1500] };
            s.Refuses(TestNode.Curl, sent, DropReason.FragmentationNeeded, Answer(m.Router, IcmpTrouble.TooBig, sent));
        }

        Assert.Equal(4ul, s.Node.Live.Icmp.SentCount(IcmpAnswerKind.TooBig));
    }

    /// <summary>What a segment of it would have been on the wire, its checksum complete.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_a_super_packet_the_first_segment_is_quoted(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket packet = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Ack | TcpFlags.Psh) with { IsDontFragment = true, Payload = new byte[20_000] };
        foreach (bool isExpired in (bool[])[true, false])
        {
            TestPacket sent = packet with { HopLimit = isExpired ? 1 : 64 };
            byte[] frame = s.Node.Arriving(TestNode.Curl, sent);
            VirtioNetHeader offload = Offload.MakePartial(frame, m.IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6, 1480);
            TestPacket segment = sent with { Payload = new byte[1480], Flags = TcpFlags.Ack };
            TestPacket answer = Answer(m.Router, isExpired ? IcmpTrouble.TimeExceeded : IcmpTrouble.TooBig, segment);
            s.Refuses(TestNode.Curl, frame, offload, isExpired ? DropReason.HopLimitExceeded : DropReason.FragmentationNeeded, answer);
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Nobody_is_told_of_errors_unknown_messages_and_later_fragments(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket datagram = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 53);
        TestPacket error = TestPacket.Error(m.CurlPod, IcmpTrouble.PortUnreachable, datagram with { Source = m.EastPod, Destination = m.CurlPod });
        TestPacket other = TestPacket.Icmp(m.CurlPod, m.EastPod, m.IsIpv4 ? 5 : 200, 0);
        foreach (TestPacket packet in (TestPacket[])[error, other])
        {
            s.DropsSilently(TestNode.Curl, packet with { HopLimit = 1 }, DropReason.HopLimitExceeded);
        }

        // To and from a group, and in a frame to everyone on the link.
        IpAddress group = IpAddress.Parse(m.IsIpv4 ? "224.0.0.251" : "ff02::fb");
        s.DropsSilently(TestNode.Curl, datagram with { Destination = group, HopLimit = 1 }, DropReason.UnknownTarget);
        s.DropsSilently(TestNode.Uplink, datagram with { Source = group, HopLimit = 1 }, DropReason.InvalidSource);
        Delivery broadcast = s.Node.Send(TestNode.Uplink, (datagram with { Source = m.Outside, Destination = m.CurlPod, HopLimit = 1 }).Frame(TestNode.HostMac, MacAddress.Broadcast));
        Assert.True(broadcast is { Reason: DropReason.OtherStation, Outbox.Count: 0 }, broadcast.ToString());
        Delivery fromGroup = s.Node.Send(
            TestNode.Uplink, (datagram with { Source = m.Outside, Destination = m.CurlPod, HopLimit = 1 }).Frame(MacAddress.Broadcast, TestNode.UplinkMac));
        Assert.True(fromGroup is { Reason: DropReason.HopLimitExceeded, Outbox.Count: 0 }, fromGroup.ToString());

        TestPacket whole = datagram with { Payload = new byte[2000] };
        s.Sends(TestNode.Curl, whole.Fragment(0, 1000));
        s.DropsSilently(TestNode.Curl, whole.Fragment(1000, 1008) with { HopLimit = 1 }, DropReason.HopLimitExceeded);

        // The first one hears of it.
        TestPacket first = whole.Fragment(0, 1000) with { HopLimit = 1 };
        s.Refuses(TestNode.Curl, first, DropReason.HopLimitExceeded, Answer(m.Router, IcmpTrouble.TimeExceeded, first));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Each_port_has_a_bucket_for_each_kind(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket expired = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 33434) with { HopLimit = 1 };
        TestPacket tooBig = expired with { HopLimit = 64, IsDontFragment = true, Payload = new byte[1500] };
        for (int i = 0; i < IcmpLimiter.BurstCount; i++)
        {
            s.Refuses(TestNode.Curl, expired, DropReason.HopLimitExceeded, Answer(m.Router, IcmpTrouble.TimeExceeded, expired));
        }

        s.DropsSilently(TestNode.Curl, expired, DropReason.HopLimitExceeded);
        s.Refuses(TestNode.Curl, tooBig, DropReason.FragmentationNeeded, Answer(m.Router, IcmpTrouble.TooBig, tooBig));
        TestPacket another = expired with { Source = m.Webpod1 };
        s.Refuses(TestNode.Web1, another, DropReason.HopLimitExceeded, Answer(m.Router, IcmpTrouble.TimeExceeded, another));
        s.Node.Wait(1.0 / IcmpLimiter.PerSecond);
        s.Refuses(TestNode.Curl, expired, DropReason.HopLimitExceeded, Answer(m.Router, IcmpTrouble.TimeExceeded, expired));
        s.DropsSilently(TestNode.Curl, expired, DropReason.HopLimitExceeded);
        Assert.Equal(2ul, s.Node.Live.Icmp.LimitedCount(IcmpAnswerKind.TimeExceeded));
        Assert.Equal(0ul, s.Node.Live.Icmp.LimitedCount(IcmpAnswerKind.TooBig));
    }

    private static TestPacket NoBackend(TestPacket about) => TestPacket.Error(about.Destination, IcmpTrouble.PortUnreachable, about, about.IsIpv4 ? 64 : 1232) with
    {
        TrafficClass = about.TrafficClass,
        Id = 0,
    };

    private static TestPacket Answer(IpAddress speaker, IcmpTrouble trouble, TestPacket about) =>
        TestPacket.Error(speaker, trouble, about, about.IsIpv4 ? 548 : 1232, mtu: 1500) with { TrafficClass = Control, Id = 0 };
}
