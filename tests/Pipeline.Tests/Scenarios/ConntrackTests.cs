using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Lives of flows, to the second. Whether a flow is still known is told by the number of live entries for its tuple.</summary>
public sealed class ConntrackTests
{
    private const TcpFlags SynAck = TcpFlags.Syn | TcpFlags.Ack;
    private const TcpFlags FinAck = TcpFlags.Fin | TcpFlags.Ack;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_which_only_SYNs_were_seen_60_seconds(Family family)
    {
        var s = new Scenario(family);
        Client(s, TcpFlags.Syn);
        LivesExactly(s, 60);
        Client(s, TcpFlags.Syn);
        Server(s, SynAck);
        LivesExactly(s, 60);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Established_8000_seconds_after_the_last_packet(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        s.Node.Wait(5000);
        Server(s, TcpFlags.Ack);
        LivesExactly(s, 8000);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Half_closed_as_long_as_established(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        Client(s, FinAck);
        Server(s, TcpFlags.Ack);
        LivesExactly(s, 8000);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Closed_by_both_10_seconds_whatever_follows(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        Client(s, FinAck);
        Server(s, FinAck);
        s.Node.Wait(4);
        Client(s, TcpFlags.Ack);
        LivesExactly(s, 6);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Refused_10_seconds(Family family)
    {
        var s = new Scenario(family);
        Client(s, TcpFlags.Syn);
        Server(s, TcpFlags.Rst | TcpFlags.Ack);
        LivesExactly(s, 10);
    }

    /// <summary>As Cilium: once both SYNs were seen, a RST closes the side that sent it.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Reset_by_one_side_as_half_closed(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        Server(s, TcpFlags.Rst);
        LivesExactly(s, 8000);
        Establish(s);
        Server(s, TcpFlags.Rst);
        Client(s, TcpFlags.Rst);
        LivesExactly(s, 10);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_SYN_on_a_closed_flow_begins_another(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        Client(s, FinAck);
        Server(s, FinAck);
        Client(s, TcpFlags.Syn);
        ConntrackEntry entry = Entry(s);
        Assert.Equal(1u, entry.Packets);
        Assert.Equal(ConntrackFlags.None, entry.Flags & ConntrackFlags.Closing);
        LivesExactly(s, 60);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_SYN_of_the_former_server_turns_the_flow_round(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        Client(s, FinAck);
        Server(s, FinAck);
        bool before = (Entry(s).Flags & ConntrackFlags.ClientIsSecond) != 0;
        Server(s, TcpFlags.Syn);
        Assert.NotEqual(before, (Entry(s).Flags & ConntrackFlags.ClientIsSecond) != 0);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Udp_sctp_and_icmp_60_seconds(Family family)
    {
        foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Udp, IpProtocol.Sctp])
        {
            var s = new Scenario(family);
            TestPacket packet = TestPacket.Of(protocol, s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 80);
            s.Sends(TestNode.Curl, packet);
            s.Node.Wait(59);
            s.Sends(TestNode.Web1, TestPacket.Of(protocol, s.Mesh.Webpod1, 80, s.Mesh.CurlPod, 1024));
            LivesExactly(s, 60);
        }

        var echo = new Scenario(family);
        echo.Sends(TestNode.Curl, TestPacket.EchoRequest(echo.Mesh.CurlPod, echo.Mesh.Webpod1, 5));
        LivesExactly(echo, 60);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_forgotten_flow_that_goes_on_is_a_new_one(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        s.Node.Wait(8000);

        // Not swept yet: it is dead all the same.
        Server(s, TcpFlags.Ack);
        Assert.Equal(1u, Entry(s).Packets);
        Assert.Equal(1, s.Node.ConntrackCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Counts_both_directions_and_what_the_sides_sent(Family family)
    {
        var s = new Scenario(family);
        Establish(s);
        ConntrackEntry entry = Entry(s);
        Assert.Equal(3u, entry.Packets);
        Assert.Equal((ulong)(3 * s.Node.Arriving(TestNode.Curl, Packet(s, TcpFlags.Syn)).Length), entry.Bytes);
        Assert.Equal(TcpFlags.Syn | TcpFlags.Ack, entry.TxFlagsSeen);
        Assert.Equal(SynAck, entry.RxFlagsSeen);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Housekeeping_sweeps_all_tables_a_slice_at_a_time(Family family)
    {
        var s = new Scenario(family);
        s.Node.Tick();
        for (int i = 0; i < 100; i++)
        {
            s.Sends(TestNode.Curl, TestPacket.Udp(s.Mesh.CurlPod, 40000 + i, s.Mesh.Outside, 53));
        }

        s.Node.Wait(GarbageCollection.FirstSeconds);
        for (int i = 0; i < s.Node.Live.Conntrack.Capacity / 1024; i++)
        {
            s.Node.Tick();
        }

        Assert.Equal(0, s.Node.ConntrackCount);
        Assert.Equal(0, s.Node.SnatCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_full_table_gives_up_flows_that_have_only_begun_and_serves_the_old(Family family)
    {
        var s = new Scenario(family, new TestNode(conntrackCapacity: 3, workerCount: 1));
        Establish(s);
        s.Sends(TestNode.Curl, Packet(s, TcpFlags.Syn) with { SourcePort = 2 });
        s.Sends(TestNode.Curl, Packet(s, TcpFlags.Syn) with { SourcePort = 3 });
        s.Sends(TestNode.Curl, Packet(s, TcpFlags.Syn) with { SourcePort = 4 });
        s.Sends(TestNode.Curl, Packet(s, TcpFlags.Syn) with { SourcePort = 5, Destination = s.Mesh.ClusterIp });
        Assert.Equal(3ul, s.Node.AllLive.Aggregate(0ul, (sum, live) => sum + live.Conntrack.EvictedCount));
        Client(s, TcpFlags.Ack);
        Server(s, TcpFlags.Ack);
        s.Node.Wait(60);
        s.Node.Sweep();
        s.Sends(TestNode.Curl, Packet(s, TcpFlags.Syn) with { SourcePort = 4 });
    }

    private static void Establish(Scenario s)
    {
        Client(s, TcpFlags.Syn);
        Server(s, SynAck);
        Client(s, TcpFlags.Ack);
    }

    private static void Client(Scenario s, TcpFlags flags) => s.Sends(TestNode.Curl, Packet(s, flags));

    private static void Server(Scenario s, TcpFlags flags) => s.Sends(TestNode.Web1, TestPacket.Tcp(s.Mesh.Webpod1, 80, s.Mesh.CurlPod, 1024, flags));

    private static TestPacket Packet(Scenario s, TcpFlags flags) => TestPacket.Tcp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 80, flags);

    private static ConntrackEntry Entry(Scenario s)
    {
        var key = new FlowKey(s.Mesh.CurlPod, s.Mesh.Webpod1, 1024, 80, IpProtocol.Tcp);
        int index = s.Node.Live.Conntrack.Find(ConntrackTable.Ordered(key, out _), s.Node.Now);
        Assert.True(index >= 0, $"{key} is not known");
        return s.Node.Live.Conntrack[index];
    }

    /// <summary>The only flow lives through the second before and is swept in this one; the table is empty then.</summary>
    private static void LivesExactly(Scenario s, int seconds)
    {
        s.Node.Wait(seconds - 1);
        s.Node.Sweep();
        Assert.True(s.Node.ConntrackCount == 1, $"swept before {seconds} s");
        s.Node.Wait(1);
        s.Node.Sweep();
        Assert.True(s.Node.ConntrackCount == 0, $"alive after {seconds} s");
    }
}
