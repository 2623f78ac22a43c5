using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>
/// ICMP errors about translated flows: who gets them must find the packet quoted that it sent itself, under sums that hold, whether
/// the flow's end speaks or a router on the way.
/// </summary>
public sealed class IcmpErrorTests
{
    private const int Client = 40001;

    public static TheoryData<Family, IcmpTrouble, bool> Troubles
    {
        get
        {
            var data = new TheoryData<Family, IcmpTrouble, bool>();
            foreach (Family family in Enum.GetValues<Family>())
            {
                foreach (IcmpTrouble trouble in Enum.GetValues<IcmpTrouble>())
                {
                    data.Add(family, trouble, true);
                    data.Add(family, trouble, false);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public void About_a_masqueraded_flow_from_outside(Family family, IcmpTrouble trouble, bool fromRouter)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        IpAddress speaker = fromRouter ? m.RouterOnTheWay : m.Outside;
        foreach (TestPacket sent in (TestPacket[])
        [
            TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53), TestPacket.Tcp(m.CurlPod, 1024, m.Outside, 80), TestPacket.EchoRequest(m.CurlPod, m.Outside, 9),
            TestPacket.Udp(m.CurlPod, 1025, m.Outside, 53) with { HasUdpChecksum = false },
            TestPacket.Of(IpProtocol.Sctp, m.CurlPod, 40000, m.Outside, 80),
        ])
        {
            TestPacketView left = s.Sends(TestNode.Curl, sent);
            TestPacket seen = (sent.Protocol == m.Icmp ? TestPacket.EchoRequest(m.Node, m.Outside, left.EchoId) : sent with { Source = m.Node, SourcePort = left.SourcePort })
                with
            { HopLimit = 9 };
            TestPacket error = TestPacket.Error(speaker, trouble, seen);
            s.Forwards(TestNode.Uplink, error, TestNode.Curl, TestPacket.Error(speaker, trouble, sent with { HopLimit = 9 }).Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public void About_a_masqueraded_flow_quoted_no_further_than_its_ports(Family family, IcmpTrouble trouble, bool fromRouter)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        IpAddress speaker = fromRouter ? m.RouterOnTheWay : m.Outside;
        TestPacket sent = TestPacket.Tcp(m.CurlPod, 1024, m.Outside, 80);
        TestPacket seen = sent with { Source = m.Node, SourcePort = s.Sends(TestNode.Curl, sent).SourcePort };
        int cut = (m.IsIpv4 ? 20 : 40) + 8;
        s.Forwards(TestNode.Uplink, TestPacket.Error(speaker, trouble, seen, cut), TestNode.Curl, TestPacket.Error(speaker, trouble, sent, cut).Hopped());
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public void About_a_services_flow_to_its_client(Family family, IcmpTrouble trouble, bool fromRouter)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", IpProtocol.Udp, 80, 30080, 8080, x => x.EastPod)] });
        TestPacket sent = TestPacket.Udp(m.CurlPod, Client, m.ClusterIp, 80);
        TestPacket seen = sent with { Destination = m.EastPod, DestinationPort = 8080, HopLimit = 62 };
        s.Sends(TestNode.Curl, sent);
        TestPacket error = TestPacket.Error(fromRouter ? m.RouterOnTheWay : m.EastPod, trouble, seen);
        TestPacket wanted = TestPacket.Error(fromRouter ? m.RouterOnTheWay : m.ClusterIp, trouble, sent with { HopLimit = 62 });
        s.Forwards(TestNode.Uplink, error, TestNode.Curl, wanted.Hopped());
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public void About_a_services_flow_to_its_backend(Family family, IcmpTrouble trouble, bool fromRouter)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Sends(TestNode.Uplink, TestPacket.Tcp(m.Outside, Client, m.Node, 30080, TcpFlags.Syn));
        TestPacket reply = TestPacket.Tcp(m.Webpod1, 80, m.Outside, Client, TcpFlags.Syn | TcpFlags.Ack);
        s.Sends(TestNode.Web1, reply);
        IpAddress speaker = fromRouter ? m.RouterOnTheWay : m.Outside;
        TestPacket error = TestPacket.Error(speaker, trouble, reply with { Source = m.Node, SourcePort = 30080 });
        s.Forwards(TestNode.Uplink, error, TestNode.Web1, TestPacket.Error(speaker, trouble, reply).Hopped());
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public void About_a_NodePorts_flow_to_a_remote_backend(Family family, IcmpTrouble trouble, bool fromRouter)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket sent = TestPacket.Tcp(m.Outside, 5000, m.Node, 30080, TcpFlags.Syn);
        ushort port = s.Sends(TestNode.Uplink, sent).SourcePort;
        TestPacket seen = TestPacket.Tcp(m.Node, port, m.EastPod, 80, TcpFlags.Syn);
        TestPacket error = TestPacket.Error(fromRouter ? m.RouterOnTheWay : m.EastPod, trouble, seen);
        s.Forwards(TestNode.Uplink, error, m.Gateway, TestPacket.Error(fromRouter ? m.RouterOnTheWay : m.Node, trouble, sent).Hopped());

        // The other way round: the client complains of an answer.
        TestPacket answer = TestPacket.Tcp(m.EastPod, 80, m.Node, port, TcpFlags.Ack);
        s.Sends(TestNode.Uplink, answer);
        IpAddress speaker = fromRouter ? m.RouterOnTheWay : m.Outside;
        TestPacket complaint = TestPacket.Error(speaker, trouble, TestPacket.Tcp(m.Node, 30080, m.Outside, 5000, TcpFlags.Ack));
        s.Forwards(TestNode.Uplink, complaint, m.EastWorker, TestPacket.Error(fromRouter ? speaker : m.Node, trouble, answer).Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_complains_of_an_answer_under_the_nodes_address(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        ushort port = s.Sends(TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53)).SourcePort;
        TestPacket answer = TestPacket.Udp(m.Outside, 53, m.Node, port);
        s.Sends(TestNode.Uplink, answer);
        TestPacket error = TestPacket.Error(m.CurlPod, IcmpTrouble.PortUnreachable, answer with { Destination = m.CurlPod, DestinationPort = 1024 });
        s.Forwards(TestNode.Curl, error, m.Gateway, TestPacket.Error(m.Node, IcmpTrouble.PortUnreachable, answer).Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void About_a_hairpins_flow(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.CurlPod)] });
        TestPacket sent = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Sends(TestNode.Curl, sent);
        TestPacket error = TestPacket.Error(m.CurlPod, IcmpTrouble.PortUnreachable, sent with { Source = m.Loopback, Destination = m.CurlPod });
        s.Forwards(TestNode.Curl, error, TestNode.Curl, TestPacket.Error(m.ClusterIp, IcmpTrouble.PortUnreachable, sent).Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void About_an_untranslated_flow_or_none_it_passes_as_it_is(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket sent = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 53);
        TestPacket error = TestPacket.Error(m.EastPod, IcmpTrouble.PortUnreachable, sent);
        s.Forwards(TestNode.Uplink, error, TestNode.Curl, error.Hopped());
        s.Sends(TestNode.Curl, sent);
        s.Forwards(TestNode.Uplink, error, TestNode.Curl, error.Hopped());
        Assert.Equal(1, s.Node.Live.Conntrack.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_hosts_error_about_a_forgotten_flow_leaves(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket error = TestPacket.Error(m.Node, IcmpTrouble.PortUnreachable, TestPacket.Udp(m.Outside, 53, m.Node, Client));
        s.Forwards(TestNode.Host, error, m.Gateway, error);
    }

    /// <summary>Behind a later fragment's header lies payload, which must not be taken for ports and a checksum.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_quoted_later_fragment_keeps_its_payload(Family family)
    {
        var s = new Scenario(family, new TestNode(nodePortLast: 0));
        Mesh m = s.Mesh;

        // The one flow that a quote without ports can be taken for: that of port 0 to port 0, masqueraded.
        s.Sends(TestNode.Curl, TestPacket.Tcp(m.CurlPod, 0, m.Outside, 0));
        ushort port = s.Sends(TestNode.Curl, TestPacket.Tcp(m.CurlPod, 0, m.Outside, 0)).SourcePort;
        TestPacket fragment = TestPacket.Tcp(m.CurlPod, 0, m.Outside, 0) with
        {
            RawTransport = [.. Enumerable.Repeat((byte)0x5A, 40)],
            FragmentOffset = 1480,
            HasMoreFragments = false,
        };
        TestPacket complaint = TestPacket.Error(m.CurlPod, IcmpTrouble.TimeExceeded, fragment with { Source = m.Outside, Destination = m.CurlPod });
        TestPacket wanted = TestPacket.Error(m.Node, IcmpTrouble.TimeExceeded, fragment with { Source = m.Outside, Destination = m.Node });
        Assert.NotEqual(0, port);
        s.Forwards(TestNode.Curl, complaint, m.Gateway, wanted.Hopped());
    }

    [Fact]
    public void An_unknown_code_about_a_masqueraded_flow_is_dropped()
    {
        var s = new Scenario(Family.Ipv4);
        Mesh m = s.Mesh;
        s.Sends(TestNode.Curl, TestPacket.Udp(m.CurlPod, Client, m.Outside, 53));
        TestPacket answer = TestPacket.Udp(m.Outside, 53, m.CurlPod, Client);
        TestPacket error = TestPacket.Error(m.CurlPod, IcmpTrouble.PortUnreachable, answer) with { IcmpCode = 16 };
        s.Drops(TestNode.Curl, error, DropReason.UnknownIcmpCode);
    }
}
