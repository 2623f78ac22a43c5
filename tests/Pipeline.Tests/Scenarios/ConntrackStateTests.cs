using System.Globalization;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>
/// The state machine of TCP flows through a service, as a table: what client and server sent, and how long the flow's entry and the client's choice
/// then live, their flags and the TCP flags seen. cilium bpf/lib/conntrack.h.
/// </summary>
public sealed class ConntrackStateTests
{
    private const int Client = 40001;

    public static TheoryData<Family, string, string, string> Table
    {
        get
        {
            // Packets: c or s for who sends, then S, A, F, R. Then life in seconds, Flags, TxFlagsSeen and RxFlagsSeen; of the flow and of the choice.
            (string Packets, string Flow, string Choice)[] rows =
            [
                ("cS", "60 0000 02 00", "60 0000 02 00"),
                ("cS cS", "60 0000 02 00", "60 0000 02 00"),
                ("cS sSA", "60 0000 02 12", "60 0000 02 00"),
                ("cS sSA cA", "8000 0010 12 12", "8000 0010 12 00"),
                ("cS sSA cA sA cA", "8000 0010 12 12", "8000 0010 12 00"),
                ("cS sSA cA cFA", "8000 0012 13 12", "60 0013 13 00"),
                ("cS sSA cA sFA", "8000 0011 12 13", "8000 0010 12 00"),
                ("cS sSA cA cFA sFA", "10 0013 13 13", "60 0013 13 00"),
                ("cS sSA cA cFA sFA cA", "10 0013 13 13", "60 0013 13 00"),
                ("cS sSA cA cR", "8000 0012 16 12", "60 0013 16 00"),
                ("cS sSA cA sR", "8000 0011 12 16", "8000 0010 12 00"),
                ("cS sSA cA cR sR", "10 0013 16 16", "60 0013 16 00"),
                ("cS sRA", "10 0013 02 14", "60 0000 02 00"),
                ("cS cR", "10 0013 06 00", "60 0013 06 00"),
                ("cS sSA cR", "8000 0012 06 12", "60 0013 06 00"),
                ("cA", "8000 0010 10 00", "8000 0010 10 00"),
                ("cA cR", "10 0013 14 00", "60 0013 14 00"),
                ("cA sFA cFA", "10 0013 11 11", "60 0013 11 00"),
                ("cS sSA cA cFA sFA cS", "60 0000 02 00", "60 0000 13 00"),
                ("cS sRA cS sSA cA", "8000 0010 12 12", "8000 0010 12 00"),
            ];
            var data = new TheoryData<Family, string, string, string>();
            foreach ((string packets, string flow, string choice) in rows)
            {
                data.Add(Family.Ipv4, packets, flow, choice);
                data.Add(Family.Ipv6, packets, flow, choice);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Table))]
    public void A_flow_and_its_choice_are(Family family, string packets, string flow, string choice)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        foreach (string packet in packets.Split(' '))
        {
            TcpFlags flags = packet[1..].Aggregate(TcpFlags.None, (all, letter) => all | FlagOf(letter));
            TestPacket sent = packet[0] == 'c'
                ? TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, flags)
                : TestPacket.Tcp(m.Webpod1, 80, m.CurlPod, Client, flags);
            s.Sends(packet[0] == 'c' ? TestNode.Curl : TestNode.Web1, sent);
        }

        var key = new FlowKey(m.CurlPod, m.Webpod1, Client, 80, IpProtocol.Tcp);
        Assert.Equal(flow, Describe(s, ConntrackTable.Ordered(key, out _)));
        Assert.Equal(choice, Describe(s, key with { Destination = m.ClusterIp, Scope = FlowScope.Service }));
    }

    /// <summary>Everything but TCP lives a minute from its last packet, in either direction; so does the choice, from its client's.</summary>
    [Theory]
    [InlineData(Family.Ipv4, IpProtocol.Udp)]
    [InlineData(Family.Ipv6, IpProtocol.Udp)]
    [InlineData(Family.Ipv4, IpProtocol.Sctp)]
    [InlineData(Family.Ipv6, IpProtocol.Sctp)]
    public void Of_other_transports_both_live_60_seconds(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", protocol, 80, 30080, 80, x => x.Webpod1)] });
        s.Sends(TestNode.Curl, TestPacket.Of(protocol, m.CurlPod, Client, m.ClusterIp, 80));
        s.Node.Wait(30);
        s.Sends(TestNode.Web1, TestPacket.Of(protocol, m.Webpod1, 80, m.CurlPod, Client));
        var key = new FlowKey(m.CurlPod, m.Webpod1, Client, 80, protocol);
        Assert.Equal("60 0000 00 00", Describe(s, ConntrackTable.Ordered(key, out _)));
        Assert.Equal("30 0000 00 00", Describe(s, key with { Destination = m.ClusterIp, Scope = FlowScope.Service }));
    }

    /// <summary>Packets that find their flow, entries made, those that died and were swept.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Conntrack_counts(Family family)
    {
        var s = new Scenario(family, new TestNode(conntrackCapacity: 2));
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Udp(m.CurlPod, Client, m.Webpod1, 53);
        TestPacket reply = TestPacket.Udp(m.Webpod1, 53, m.CurlPod, Client);
        s.Sends(TestNode.Curl, request);
        for (int i = 0; i < 4; i++)
        {
            s.Sends(TestNode.Web1, reply);
            s.Sends(TestNode.Curl, request);
        }

        s.Sends(TestNode.Curl, request with { SourcePort = 2 });
        s.Sends(TestNode.Curl, request with { SourcePort = 3 });
        s.Node.Wait(60);
        s.Node.Sweep();
        ConntrackTable table = s.Node.Live.Conntrack;
        Assert.Equal(
            (8ul, 3ul, 2ul, 0ul, 1ul, 0ul),
            (table.FoundCount, table.InsertedCount, table.ExpiredCount, table.DeletedCount, table.EvictedCount, table.FailureCount));
    }

    private static string Describe(Scenario s, in FlowKey key)
    {
        int index = s.Node.Live.Conntrack.Find(key, s.Node.Now);
        Assert.True(index >= 0, $"no entry for {key}");
        ConntrackEntry entry = s.Node.Live.Conntrack[index];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{entry.Expires - s.Node.Now.Seconds} {(int)(entry.Flags & ConntrackFlags.Visible):x4} {(int)entry.TxFlagsSeen:x2} {(int)entry.RxFlagsSeen:x2}");
    }

    private static TcpFlags FlagOf(char letter) => letter switch
    {
        'S' => TcpFlags.Syn,
        'A' => TcpFlags.Ack,
        'F' => TcpFlags.Fin,
        _ => TcpFlags.Rst,
    };
}
