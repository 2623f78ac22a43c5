using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Conditions that a plain run never meets: each was found by taking one out of a stage and seeing no scenario fail.</summary>
public sealed class EdgeTests
{
    private const int Client = 40001;

    [Fact]
    public void A_wrong_header_checksum_is_invalid()
    {
        var s = new Scenario(Family.Ipv4);
        byte[] frame = s.Node.Arriving(TestNode.Curl, TestPacket.Udp(s.Mesh.CurlPod, 1, s.Mesh.Webpod1, 2));
        frame[24] ^= 1;
        s.Drops(TestNode.Curl, frame, DropReason.InvalidPacket);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Nobody_else_on_the_node_network_is_the_node(Family family)
    {
        var s = new Scenario(family);
        s.Drops(TestNode.Uplink, TestPacket.Udp(s.Mesh.Node, 1, s.Mesh.CurlPod, 2), DropReason.InvalidSource);
    }

    [Fact]
    public void Link_local_and_loopback_addresses_are_not_routed()
    {
        var v6 = new Scenario(Family.Ipv6);
        TestPacket neighbor = TestPacket.Udp(v6.Mesh.CurlPod, 1, IpAddress.Parse("fe80::77"), 2);
        v6.Drops(TestNode.Curl, neighbor, DropReason.UnknownTarget);
        v6.Drops(TestNode.Curl, neighbor with { Destination = ServiceOptions.Default.LoopbackIpv6 }, DropReason.UnknownTarget);

        // What a pod still answers to itself when the service behind a hairpin has gone.
        var v4 = new Scenario(Family.Ipv4);
        v4.Drops(TestNode.Web1, TestPacket.Udp(v4.Mesh.Webpod1, 80, ServiceOptions.Default.LoopbackIpv4, 2), DropReason.UnknownTarget);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void An_error_about_a_packet_that_its_receiver_did_not_send_is_invalid(Family family)
    {
        var s = new Scenario(family);
        TestPacket error = TestPacket.Error(s.Mesh.Outside, IcmpTrouble.PortUnreachable, TestPacket.Udp(s.Mesh.Webpod1, 1, s.Mesh.Outside, 2));
        s.Drops(TestNode.Uplink, error with { Destination = s.Mesh.CurlPod }, DropReason.InvalidPacket);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Only_what_comes_from_the_node_network_answers_a_masqueraded_flow(Family family)
    {
        var s = new Scenario(family);
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Outside, 443));
        TestPacket forged = TestPacket.Tcp(s.Mesh.Outside, 443, s.Mesh.Node, Client);
        s.Forwards(TestNode.Host, forged, TestNode.Host, forged);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_tuple_used_directly_and_then_through_a_service_answers_as_the_service(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket direct = TestPacket.Udp(m.CurlPod, Client, m.Webpod1, 80);
        TestPacket reply = TestPacket.Udp(m.Webpod1, 80, m.CurlPod, Client);
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", IpProtocol.Udp, 80, 30080, 80, x => x.Webpod1)] });
        s.Forwards(TestNode.Curl, direct, TestNode.Web1, direct.Hopped());
        s.Forwards(TestNode.Web1, reply, TestNode.Curl, reply.Hopped());
        s.Forwards(TestNode.Curl, direct with { Destination = m.ClusterIp }, TestNode.Web1, direct.Hopped());
        s.Forwards(TestNode.Web1, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_service_set_up_anew_chooses_anew_and_its_answers_are_restored(Family family)
    {
        const int FlowCount = 30;
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod1, x => x.Webpod2, x => x.EastPod)] });
        TestPacket[] requests = [.. Enumerable.Range(0, FlowCount).Select(i => TestPacket.Tcp(m.CurlPod, Client + i, m.ClusterIp, 80))];
        IpAddress[] before = [.. requests.Select(r => s.Sends(TestNode.Curl, r).Destination)];
        s.Node.State.Commit(s.Node.State.PlanDelete(ClusterMesh.Datapath.State.Desired.ObjectKind.Service, ["default/webpod"]));
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod1, x => x.Webpod2, x => x.EastPod)] });
        IpAddress[] after = [.. requests.Select(r => s.Sends(TestNode.Curl, r).Destination)];
        Assert.NotEqual(before, after);
        int local = Array.FindIndex(after, a => a == m.Webpod1);
        TestPacket reply = TestPacket.Tcp(m.Webpod1, 80, m.CurlPod, Client + local);
        s.Forwards(TestNode.Web1, reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_reopened_choice_lives_as_long_as_a_fresh_one(Family family)
    {
        var s = new Scenario(family);
        foreach (TcpFlags flags in (TcpFlags[])[TcpFlags.Syn, TcpFlags.Ack, TcpFlags.Fin | TcpFlags.Ack, TcpFlags.Syn, TcpFlags.Ack])
        {
            s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.ClusterIp, 80, flags));
        }

        s.Node.Wait(ConntrackTimers.Tcp - 1);
        Assert.True(s.Node.Live.Conntrack.Find(Choice(s, IpProtocol.Tcp), s.Node.Now) >= 0);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Errors_keep_neither_a_flow_nor_a_choice_alive(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", IpProtocol.Udp, 80, 30080, 80, x => x.Webpod1)] });
        s.Sends(TestNode.Curl, TestPacket.Udp(m.CurlPod, Client, m.ClusterIp, 80));
        s.Node.Wait(ConntrackTimers.Any - 1);
        s.Sends(TestNode.Curl, TestPacket.Error(m.CurlPod, IcmpTrouble.PortUnreachable, TestPacket.Udp(m.ClusterIp, 80, m.CurlPod, Client)));
        Assert.True(s.Node.Live.Conntrack.Find(Choice(s, IpProtocol.Udp), s.Node.Now) >= 0);
        s.Node.Wait(1);
        s.Node.Sweep();
        Assert.Equal(0, s.Node.Live.Conntrack.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pods_flow_through_a_NodePort_is_masqueraded_by_the_ordinary_rules(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.Node, 30080);
        s.Forwards(TestNode.Curl, request, m.EastWorker, request.Hopped() with { Destination = m.EastPod, DestinationPort = 80 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_lost_mapping_is_made_again_by_the_flow_and_not_by_an_error(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Udp(m.CurlPod, Client, m.Outside, 53);
        s.Sends(TestNode.Curl, request);
        s.Node.Live.Snat.Remove(s.Node.Live.Snat.FindForward(new FlowKey(m.CurlPod, m.Outside, Client, 53, IpProtocol.Udp)), s.Node.Live.Conntrack, s.Node.Now);
        s.Drops(TestNode.Curl, TestPacket.Error(m.CurlPod, IcmpTrouble.PortUnreachable, TestPacket.Udp(m.Outside, 53, m.CurlPod, Client)), DropReason.NoSnatMapping);
        s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node });
        Assert.Equal(1, s.Node.Live.Snat.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Where_a_flow_came_from_is_recorded(Family family)
    {
        var s = new Scenario(family);
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Outside, Client, s.Mesh.Node, 30080, TcpFlags.Syn));
        FlowKey key = ConntrackTable.Ordered(new FlowKey(s.Mesh.Outside, s.Mesh.Webpod1, Client, 80, IpProtocol.Tcp), out _);
        ConntrackEntry entry = s.Node.Live.Conntrack[s.Node.Live.Conntrack.Find(key, s.Node.Now)];
        Assert.True(entry.Flags.HasFlag(ConntrackFlags.Inbound | ConntrackFlags.NodePort), entry.Flags.ToString());
        Assert.NotEqual(0u, entry.BackendId);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_neighbour_in_use_is_asked_three_times_whatever_it_took_at_first(Family family)
    {
        var s = new Scenario(family);
        s.Node.Wait(30);
        s.Sends(TestNode.Host, TestPacket.Udp(s.Mesh.Node, 5000, s.Mesh.Neighbor, 53));
        for (int i = 0; i < 3; i++)
        {
            Assert.Single(s.Node.Tick());
            s.Node.Wait(1);
        }

        Assert.Empty(s.Node.Tick());
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Host, TestPacket.Udp(s.Mesh.Node, 5000, s.Mesh.Neighbor, 53)).Verdict);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_group_is_nobodys_MAC_and_nobody_else_is_the_node(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        IpAddress unknown = m.At("172.18.0.200");
        s.Node.Send(TestNode.Host, TestPacket.Udp(m.Node, 5000, unknown, 53));
        Delivery learned = s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(unknown, MacAddress.Broadcast, m.Node, TestNode.UplinkMac));
        Assert.Empty(learned.Outbox);
        int count = s.Node.Live.Neighbors.Count;
        s.Node.Send(TestNode.Uplink, NeighborFrames.Request(m.Node, TestNode.MacOf(m.Neighbor), m.Node));
        Assert.Equal(count, s.Node.Live.Neighbors.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void An_answer_does_not_inherit_the_questions_offload(Family family)
    {
        var s = new Scenario(family);
        byte[] question = NeighborFrames.Request(s.Mesh.CurlPod, new MacAddress(0x0200_0A00_0169), s.Mesh.Router);
        Delivery got = s.Node.Send(TestNode.Curl, question, new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, 14, 2));
        Assert.Equal(Verdict.Transmit, got.Verdict);
        Assert.Equal(default, got.Offload);
    }

    /// <summary>An offload that speaks of other bytes than the transport's leaves the transport's checksum complete.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_partial_checksum_elsewhere_is_not_the_transports(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80);
        byte[] frame = s.Node.Arriving(TestNode.Curl, request);
        Delivery got = s.Node.Send(TestNode.Curl, frame, new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, 20, 2));
        Scenario.Same(got, frame, TestNode.Web1, s.Node.Leaving(TestNode.Web1, request.Hopped() with { Destination = m.Webpod1 }, default));
    }

    private static FlowKey Choice(Scenario s, IpProtocol protocol) => new(s.Mesh.CurlPod, s.Mesh.ClusterIp, Client, 80, protocol, FlowScope.Service);
}
