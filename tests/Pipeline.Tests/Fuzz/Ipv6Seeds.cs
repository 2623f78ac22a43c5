using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Fuzz;

/// <summary>What IPv6 has and IPv4 has not: chains of extension headers, fragments behind them, the messages of neighbour discovery and of multicast.</summary>
internal static class Ipv6Seeds
{
    private static readonly (byte Type, byte[] Bytes)[] s_headers =
    [
        (0, [0, 0, 5, 2, 0, 0, 1, 0]), // hop by hop: router alert
        (0, [0, 0, 0xC2, 4, 0, 1, 0, 0]), // jumbo payload, RFC 2675
        (60, [0, 0, 1, 4, 0, 0, 0, 0]), // destination options
        (60, [0, 2, 1, 20, .. new byte[20]]),
        (43, [0, 2, 0, 1, 0, 0, 0, 0, .. new byte[16]]), // routing, type 0
        (43, [0, 2, 4, 0, 0, 0, 0, 0, .. new byte[16]]), // segment routing
        (44, [0, 0, 0, 0, 0, 0, 0, 9]), // an atomic fragment, RFC 6946
        (51, [0, 4, 0, 0, .. new byte[20]]), // authentication
        (135, [0, 0, 0, 0, 0, 0, 0, 0]), // mobility
        (253, [0, 0, 0, 0, 0, 0, 0, 0]), // experimental
    ];

    public static IEnumerable<SeedFrame> All(TestNode node)
    {
        var m = new Mesh(Family.Ipv6);
        return from sent in Chains(m).Concat(Fragments(m)).Concat(Errors(m)).Concat(Discovery(m))
               select new SeedFrame(sent.Port, node.Arriving(sent.Port, sent.Packet), default);
    }

    private static IEnumerable<(string Port, TestPacket Packet)> Chains(Mesh m)
    {
        foreach ((byte Type, byte[] Bytes) first in s_headers)
        {
            foreach (TestPacket packet in (TestPacket[])[
                TestPacket.Tcp(m.CurlPod, 40000, m.ClusterIp, 80), TestPacket.Udp(m.CurlPod, 40000, m.Outside, 80), TestPacket.EchoRequest(m.CurlPod, m.EastPod, 7)])
            {
                yield return (TestNode.Curl, packet with { Extensions = [first] });
                yield return (TestNode.Curl, packet with { Extensions = [first, s_headers[2]] });
                yield return (TestNode.Curl, packet with { Extensions = [first, first, first] });
            }

            yield return (TestNode.Uplink, TestPacket.Tcp(m.Outside, 5000, m.Node, 30080, TcpFlags.Syn) with { Extensions = [first] });
            yield return (TestNode.Uplink, TestPacket.Udp(m.Outside, 80, m.Node, 40000) with { Extensions = [first] });
        }

        yield return (TestNode.Curl, TestPacket.Of((IpProtocol)59, m.CurlPod, 0, m.Outside, 0) with { RawTransport = [] });
        yield return (TestNode.Curl, TestPacket.Of((IpProtocol)50, m.CurlPod, 0, m.EastPod, 0) with { RawTransport = new byte[40] });
    }

    private static IEnumerable<(string Port, TestPacket Packet)> Fragments(Mesh m)
    {
        foreach (TestPacket whole in (TestPacket[])[
            TestPacket.Udp(m.CurlPod, 1024, m.Outside, 80), TestPacket.Tcp(m.CurlPod, 1024, m.ClusterIp, 80), TestPacket.EchoRequest(m.CurlPod, m.Outside, 7)])
        {
            foreach ((int offset, int length) in ((int, int)[])[(0, 8), (0, 160), (160, 160), (8, 300), (320, 80), (65_528, 80)])
            {
                TestPacket long6 = whole with { Payload = new byte[380] };
                TestPacket part = offset < 400 ? long6.Fragment(offset, length) : long6.Fragment(320, 80) with { FragmentOffset = offset };
                yield return (TestNode.Curl, part);
                yield return (TestNode.Curl, part with { Extensions = [s_headers[0], s_headers[2]] });
                yield return (TestNode.Uplink, part with { Source = m.Outside, Destination = m.CurlPod });
            }
        }
    }

    private static IEnumerable<(string Port, TestPacket Packet)> Errors(Mesh m)
    {
        TestPacket masqueraded = TestPacket.Udp(m.Node, 40000, m.Outside, 80);
        foreach (IcmpTrouble trouble in Enum.GetValues<IcmpTrouble>())
        {
            foreach (int quoted in (int[])[39, 40, 44, 48, 60, 1200])
            {
                yield return (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, trouble, masqueraded with { Payload = new byte[1300] }, quoted));
                yield return (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, trouble, masqueraded with { Extensions = [s_headers[2], s_headers[6]] }, quoted));
                yield return (TestNode.Uplink, TestPacket.Error(m.Outside, trouble, (masqueraded with { Payload = new byte[300] }).Fragment(160, 160), quoted));
                yield return (TestNode.Web1, TestPacket.Error(m.Webpod1, trouble, TestPacket.Udp(m.CurlPod, 40000, m.Webpod1, 80), quoted));
            }

            yield return (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, trouble, masqueraded) with { Extensions = [s_headers[0]] });
            yield return (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, trouble, TestPacket.Error(m.Node, trouble, masqueraded)));
        }

        yield return (TestNode.Uplink, TestPacket.Icmp(m.RouterOnTheWay, m.Node, 4, 1, 6) with { Payload = masqueraded.Datagram() }); // parameter problem
    }

    private static IEnumerable<(string Port, TestPacket Packet)> Discovery(Mesh m)
    {
        IpAddress allNodes = IpAddress.Parse("ff02::1");
        IpAddress allRouters = IpAddress.Parse("ff02::2");
        IpAddress linkLocal = IpAddress.Parse("fe80::42");
        byte[] link = [1, 1, 2, 0, 0, 0, 0, 9];
        byte[] prefix = [3, 4, 64, 0xC0, 0, 0, 14, 16, 0, 0, 7, 8, 0, 0, 0, 0, .. new byte[16]];
        foreach (string port in (string[])[TestNode.Curl, TestNode.Uplink, TestNode.Host])
        {
            yield return (port, TestPacket.Icmp(linkLocal, allRouters, 133, 0) with { HopLimit = 255, Payload = link });
            yield return (port, TestPacket.Icmp(linkLocal, allNodes, 134, 0, 0x4000_0708) with { HopLimit = 255, Payload = [.. new byte[8], .. link, .. prefix] });
            yield return (port, TestPacket.Icmp(linkLocal, m.Node, 137, 0) with { HopLimit = 255, Payload = [.. new byte[32], .. link] }); // redirect
            yield return (port, TestPacket.Icmp(linkLocal, IpAddress.Parse("ff02::16"), 143, 0, 1) with { HopLimit = 1, Payload = new byte[20], Extensions = [s_headers[0]] });
            yield return (port, TestPacket.EchoRequest(linkLocal, allNodes, 7));
            yield return (port, TestPacket.Udp(IpAddress.Parse("::1"), 1024, m.Webpod1, 80));
            yield return (port, TestPacket.Udp(m.CurlPod, 1024, IpAddress.Parse("ff05::2"), 80));
        }
    }
}
