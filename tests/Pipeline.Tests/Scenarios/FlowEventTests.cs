using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>What is told of packets while somebody listens: which of them, and in which words.</summary>
public sealed class FlowEventTests
{
    private static readonly Mesh s_m = new(Family.Ipv4);

    [Fact]
    public void A_flow_through_a_service_is_told_of_at_its_beginning_its_first_answer_and_its_ends()
    {
        TestNode node = Listening(FlowDetail.Changes);
        node.Apply(new() { Services = [TestNode.Webpod(m => m.EastPod)] });
        ushort port = 40000;
        TestPacket To(TcpFlags flags) => TestPacket.Tcp(s_m.CurlPod, port, s_m.ClusterIp, 80, flags);
        TestPacket From(TcpFlags flags) => TestPacket.Tcp(s_m.EastPod, 80, s_m.CurlPod, port, flags);
        Assert.Equal(
            [
                "Translated FromEndpoint 10.0.1.105:40000 > 10.2.164.148:80 Tcp Syn Egress No New",
                "Forwarded ToNetwork 10.0.1.105:40000 > 10.1.1.2:80 Tcp Syn Egress No New",
            ],
            Sent(node, TestNode.Curl, To(TcpFlags.Syn)));
        Assert.Equal(["Forwarded ToEndpoint 10.1.1.2:80 > 10.0.1.105:40000 Tcp Syn, Ack Egress Yes Reply"], Sent(node, TestNode.Uplink, From(TcpFlags.Syn | TcpFlags.Ack)));
        for (int i = 0; i < 4; i++)
        {
            Assert.Empty(Sent(node, TestNode.Curl, To(TcpFlags.Ack)));
            Assert.Empty(Sent(node, TestNode.Uplink, From(TcpFlags.Ack)));
        }

        Assert.Equal(["Forwarded ToNetwork 10.0.1.105:40000 > 10.1.1.2:80 Tcp Fin, Ack Egress No Established"], Sent(node, TestNode.Curl, To(TcpFlags.Fin | TcpFlags.Ack)));
        Assert.Equal(["Forwarded ToEndpoint 10.1.1.2:80 > 10.0.1.105:40000 Tcp Rst Egress Yes Reply"], Sent(node, TestNode.Uplink, From(TcpFlags.Rst)));
    }

    [Fact]
    public void Udp_and_echo_are_told_of_once_each_way()
    {
        TestNode node = Listening(FlowDetail.Changes);
        TestPacket question = TestPacket.Udp(s_m.CurlPod, 5000, s_m.Webpod1, 53);
        TestPacket answer = TestPacket.Udp(s_m.Webpod1, 53, s_m.CurlPod, 5000);
        Assert.Equal(["Forwarded ToEndpoint 10.0.1.105:5000 > 10.0.1.14:53 Udp None Ingress No New"], Sent(node, TestNode.Curl, question));
        Assert.Empty(Sent(node, TestNode.Curl, question));
        Assert.Equal(["Forwarded ToEndpoint 10.0.1.14:53 > 10.0.1.105:5000 Udp None Egress Yes Reply"], Sent(node, TestNode.Web1, answer));
        Assert.Empty(Sent(node, TestNode.Web1, answer));
        Assert.Equal(["Forwarded ToNetwork 10.0.1.105:0 > 10.1.1.2:0 Icmp None Egress No New icmp 8/0"], Sent(node, TestNode.Curl, TestPacket.EchoRequest(s_m.CurlPod, s_m.EastPod, 7)));
        Assert.Empty(Sent(node, TestNode.Curl, TestPacket.EchoRequest(s_m.CurlPod, s_m.EastPod, 7)));
        Assert.Equal(["Forwarded ToEndpoint 10.1.1.2:0 > 10.0.1.105:0 Icmp None Egress Yes Reply icmp 0/0"], Sent(node, TestNode.Uplink, TestPacket.EchoReply(s_m.EastPod, s_m.CurlPod, 7)));
    }

    [Fact]
    public void A_masqueraded_packet_shows_its_pod_and_what_the_source_becomes()
    {
        TestNode node = Listening(FlowDetail.Changes);
        TestPacket packet = TestPacket.Udp(s_m.CurlPod, 40000, s_m.Outside, 53);
        Delivery sent = node.Send(TestNode.Curl, packet);
        Assert.Equal(Verdict.Transmit, sent.Verdict);
        FlowRecord record = Assert.Single(Records(node));
        Assert.Equal((s_m.CurlPod, (ushort)40000, s_m.Node), (record.Source, record.SourcePort, record.TranslatedSource));
        Assert.Equal(TestNode.UplinkMac, record.SourceMac);
        Clear(node);
        TestPacketView seen = new(sent);
        Assert.Equal(
            ["Forwarded ToEndpoint 203.0.113.9:53 > 10.0.1.105:40000 Udp None Egress Yes Reply"],
            Sent(node, TestNode.Uplink, TestPacket.Udp(s_m.Outside, 53, s_m.Node, seen.SourcePort)));
    }

    [Fact]
    public void Every_drop_is_told_of_with_its_reason_however_little_is_known_of_the_packet()
    {
        TestNode node = Listening(FlowDetail.Changes);
        node.Apply(new() { Services = [TestNode.Webpod()] });
        TestPacket toNobody = TestPacket.Tcp(s_m.CurlPod, 40000, s_m.ClusterIp, 80, TcpFlags.Syn);
        string told = "Dropped 10.0.1.105:40000 > 10.2.164.148:80 Tcp Syn Egress Unknown Unknown NoBackend";
        Assert.Equal([told], Sent(node, TestNode.Curl, toNobody));
        Assert.Equal([told], Sent(node, TestNode.Curl, toNobody));
        Assert.Equal(
            ["Dropped 192.0.2.99:1 > 10.0.1.14:2 Udp None Egress Unknown Unknown InvalidSource"],
            Sent(node, TestNode.Curl, TestPacket.Udp(IpAddress.Parse("192.0.2.99"), 1, s_m.Webpod1, 2)));
        byte[] cut = node.Arriving(TestNode.Curl, TestPacket.Udp(s_m.CurlPod, 1, s_m.Webpod1, 2))[..20];
        node.Send(TestNode.Curl, cut);
        FlowRecord record = Assert.Single(Records(node));
        Assert.Equal((FlowEventKind.Drop, DropReason.InvalidPacket, default(IpAddress), EtherType.Ipv4), (record.Kind, record.DropReason, record.Source, record.EtherType));
        Assert.Equal((uint)node.State.Ports[TestNode.Curl].Id + 1, record.Interface);
    }

    [Fact]
    public void A_packet_that_waited_in_vain_for_a_neighbour_is_told_of_twice()
    {
        TestNode node = Listening(FlowDetail.Changes);
        IpAddress silent = IpAddress.Parse("172.18.0.200");
        Assert.Equal(["Forwarded ToNetwork 172.18.0.5:40000 > 172.18.0.200:53 Udp None Egress No New"], Sent(node, TestNode.Host, TestPacket.Udp(s_m.Node, 40000, silent, 53)));
        for (int second = 0; second < 10; second++)
        {
            node.Wait(1);
            node.Tick();
        }

        FlowRecord record = Assert.Single(Records(node));
        Assert.Equal((DropReason.NoRoute, NoRouteDetail.NoNeighbor, s_m.Node, silent), (record.DropReason, record.ReasonDetail, record.Source, record.Destination));
    }

    [Fact]
    public void An_icmp_error_has_addresses_of_its_own()
    {
        TestNode node = Listening(FlowDetail.Changes);
        TestPacket question = TestPacket.Udp(s_m.CurlPod, 5000, s_m.EastPod, 53);
        Sent(node, TestNode.Curl, question);
        Assert.Equal(
            ["Forwarded ToEndpoint 198.51.100.1:0 > 10.0.1.105:0 Icmp None Egress Unknown Related icmp 3/3"],
            Sent(node, TestNode.Uplink, TestPacket.Error(s_m.RouterOnTheWay, IcmpTrouble.PortUnreachable, question.Hopped())));
    }

    [Fact]
    public void Every_packet_is_told_of_when_somebody_wants_that_and_marked_for_the_others()
    {
        TestNode node = Listening(FlowDetail.EveryPacket);
        TestPacket question = TestPacket.Tcp(s_m.CurlPod, 5000, s_m.Webpod1, 80);
        TestPacket answer = TestPacket.Tcp(s_m.Webpod1, 80, s_m.CurlPod, 5000);
        List<FlowDetail> details = [];
        for (int i = 0; i < 5; i++)
        {
            foreach ((string port, TestPacket packet) in (ReadOnlySpan<(string, TestPacket)>)[(TestNode.Curl, question), (TestNode.Web1, answer)])
            {
                Assert.Equal(Verdict.Transmit, node.Send(port, packet).Verdict);
                details.Add(Assert.Single(Records(node)).Detail);
                Clear(node);
            }
        }

        Assert.Equal([FlowDetail.Changes, FlowDetail.Changes, .. Enumerable.Repeat(FlowDetail.EveryPacket, 8)], details);
        Assert.Equal(0ul, node.AllLive.Aggregate(0ul, (sum, live) => sum + live.Shortcuts.TakenCount));
    }

    [Fact]
    public void What_is_told_beyond_the_room_is_lost_and_counted()
    {
        FlowEvents events = new(worker: 3);
        for (int i = 0; i < FlowEvents.Capacity + 5; i++)
        {
            events.TellDrop(default, i, DropReason.WorkerBusy);
        }

        Assert.Equal((FlowEvents.Capacity, 5ul), (events.Records.Length, events.LostCount));
        Assert.All(events.Records.ToArray(), r => Assert.Equal((3, FlowRecord.CurrentVersion), (r.Worker, r.Version)));
        events.Clear();
        Assert.True(events.Records.IsEmpty);
    }

    [Fact]
    public void Nobody_who_listens_changes_what_becomes_of_packets()
    {
        TestNode quiet = new();
        TestNode told = Listening(FlowDetail.Changes);
        TestNode all = Listening(FlowDetail.EveryPacket);
        var dice = new Random(11);
        IpAddress[] addresses = [s_m.CurlPod, s_m.Webpod1, s_m.EastPod, s_m.ClusterIp, s_m.Outside, s_m.Node];
        string[] ports = [TestNode.Curl, TestNode.Web1, TestNode.Uplink, TestNode.Host];
        for (int i = 0; i < 3000; i++)
        {
            TestPacket packet = TestPacket.Tcp(
                addresses[dice.Next(addresses.Length)], 40000 + dice.Next(3), addresses[dice.Next(addresses.Length)], 80, dice.Next(4) == 0 ? TcpFlags.Syn : TcpFlags.Ack);
            string port = ports[dice.Next(ports.Length)];
            string expected = quiet.Send(port, packet).ToString();
            Assert.Equal(expected, told.Send(port, packet).ToString());
            Assert.Equal(expected, all.Send(port, packet).ToString());
            Clear(told);
            Clear(all);
        }
    }

    [Fact]
    public void What_goes_into_a_tunnel_is_told_of_as_it_is_inside()
    {
        TestNode node = Listen(new TunnelScenario(Family.Ipv4, Family.Ipv4).Node, FlowDetail.Changes);
        Assert.Equal(
            ["Forwarded ToOverlay 10.0.1.105:5000 > 10.1.1.2:53 Udp None Egress No New"],
            Sent(node, TestNode.Curl, TestPacket.Udp(s_m.CurlPod, 5000, s_m.EastPod, 53)));
    }

    private static TestNode Listening(FlowDetail detail) => Listen(new TestNode(), detail);

    private static TestNode Listen(TestNode node, FlowDetail detail)
    {
        foreach ((int i, LiveTables live) in node.AllLive.Index())
        {
            live.Counters.Events = new FlowEvents(i) { Detail = detail, Time = 1_000_000_000 };
            live.Shortcuts.Enable(detail == FlowDetail.Changes);
        }

        return node;
    }

    private static FlowRecord[] Records(TestNode node) => [.. node.AllLive.SelectMany(live => live.Counters.Events!.Records.ToArray())];

    private static void Clear(TestNode node)
    {
        foreach (LiveTables live in node.AllLive)
        {
            live.Counters.Events!.Clear();
        }
    }

    private static string[] Sent(TestNode node, string port, TestPacket packet)
    {
        node.Send(port, packet);
        string[] told = [.. Records(node).Select(Text)];
        Clear(node);
        return told;
    }

    private static string Text(FlowRecord r)
    {
        string point = r.Kind == FlowEventKind.Trace ? $" {r.ObservationPoint}" : "";
        string reason = r.DropReason == DropReason.None ? "" : $" {r.DropReason}";
        string icmp = r.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 ? $" icmp {r.IcmpType}/{r.IcmpCode}" : "";
        return $"{r.Verdict}{point} {r.Source}:{r.SourcePort} > {r.Destination}:{r.DestinationPort} {r.Protocol} {r.TcpFlags} {r.Direction} {r.Reply} {r.TraceReason}{reason}{icmp}";
    }
}
