using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>A valid frame from which others are made, and the port that it belongs to.</summary>
public sealed record SeedFrame(string Port, byte[] Bytes, VirtioNetHeader Offload)
{
    /// <summary>Every kind of packet that scenarios know, both families, both directions, with and without offload.</summary>
    public static SeedFrame[] All(TestNode node)
    {
        var frames = new List<SeedFrame>();
        foreach (Family family in Enum.GetValues<Family>())
        {
            var m = new Mesh(family);
            (string Port, TestPacket Packet)[] packets = [.. Requests(m), .. Answers(m), .. Odd(m)];
            foreach ((string port, TestPacket packet) in packets)
            {
                byte[] frame = node.Arriving(port, packet);
                frames.Add(new SeedFrame(port, frame, default));
                bool isPlain = packet is { Protocol: IpProtocol.Tcp or IpProtocol.Udp, Ipv4Options.Length: 0, Extensions.Count: 0, RawTransport: null };
                if (isPlain)
                {
                    byte[] partial = [.. frame];
                    frames.Add(new SeedFrame(port, partial, PartialOf(partial, packet)));
                }
            }

            var mac = new MacAddress(0x0200_0A00_0169);
            frames.Add(new SeedFrame(TestNode.Curl, NeighborFrames.Request(m.CurlPod, mac, m.Router), default));
            frames.Add(new SeedFrame(TestNode.Uplink, NeighborFrames.Request(m.Neighbor, TestNode.MacOf(m.Neighbor), m.Node), default));
            frames.Add(new SeedFrame(TestNode.Uplink, NeighborFrames.Reply(m.Gateway, TestNode.MacOf(m.Gateway), m.Node, TestNode.UplinkMac), default));
        }

        return [.. frames];
    }

    private static VirtioNetHeader PartialOf(byte[] frame, TestPacket packet) =>
        Testing.Offload.MakePartial(frame, packet.Protocol == IpProtocol.Tcp ? VirtioGsoType.Tcp4 : VirtioGsoType.UdpL4, 10);

    private static IEnumerable<(string Port, TestPacket Packet)> Requests(Mesh m)
    {
        foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp])
        {
            foreach (IpAddress destination in (IpAddress[])[m.Webpod1, m.EastPod, m.ClusterIp, m.Outside, m.Node, m.ControlPlane])
            {
                yield return (TestNode.Curl, TestPacket.Of(protocol, m.CurlPod, 40000, destination, 80));
                yield return (TestNode.Host, TestPacket.Of(protocol, m.Node, 40000, destination, 80));
            }

            yield return (TestNode.Uplink, TestPacket.Of(protocol, m.Outside, 5000, m.Node, 30080));
            yield return (TestNode.Uplink, TestPacket.Of(protocol, m.Outside, 5000, m.CurlPod, 80));
        }

        yield return (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.ClusterIp, 80, TcpFlags.Syn));
        yield return (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.ClusterIp, 80, TcpFlags.Fin));
        yield return (TestNode.Curl, TestPacket.EchoRequest(m.CurlPod, m.Outside, 7));
        yield return (TestNode.Web1, TestPacket.EchoRequest(m.Webpod1, m.Outside, 7));
        yield return (TestNode.Curl, TestPacket.EchoRequest(m.CurlPod, m.EastPod, 7));
    }

    private static IEnumerable<(string Port, TestPacket Packet)> Answers(Mesh m)
    {
        foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp])
        {
            yield return (TestNode.Uplink, TestPacket.Of(protocol, m.Outside, 80, m.Node, 40000));
            yield return (TestNode.Uplink, TestPacket.Of(protocol, m.EastPod, 80, m.CurlPod, 40000));
            yield return (TestNode.Uplink, TestPacket.Of(protocol, m.EastPod, 80, m.Node, 5000));
            yield return (TestNode.Web1, TestPacket.Of(protocol, m.Webpod1, 80, m.CurlPod, 40000));
            yield return (TestNode.Web1, TestPacket.Of(protocol, m.Webpod1, 80, m.Outside, 5000));
            yield return (TestNode.Web1, TestPacket.Of(protocol, m.Webpod1, 80, m.Node, 40000));
            yield return (TestNode.Curl, TestPacket.Of(protocol, m.CurlPod, 80, m.Loopback, 40000));
        }

        yield return (TestNode.Uplink, TestPacket.EchoReply(m.Outside, m.Node, 7));
        foreach (IcmpTrouble trouble in Enum.GetValues<IcmpTrouble>())
        {
            yield return (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, trouble, TestPacket.Udp(m.Node, 40000, m.Outside, 80)));
            yield return (TestNode.Uplink, TestPacket.Error(m.Outside, trouble, TestPacket.Tcp(m.Node, 40000, m.Outside, 80), 48));
            yield return (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, trouble, TestPacket.EchoRequest(m.Node, m.Outside, 7)));
            yield return (TestNode.Web1, TestPacket.Error(m.Webpod1, trouble, TestPacket.Tcp(m.CurlPod, 40000, m.Webpod1, 80)));
            yield return (TestNode.Curl, TestPacket.Error(m.CurlPod, trouble, TestPacket.Tcp(m.ClusterIp, 80, m.CurlPod, 40000)));
        }
    }

    private static IEnumerable<(string Port, TestPacket Packet)> Odd(Mesh m)
    {
        TestPacket whole = TestPacket.Udp(m.CurlPod, 1024, m.Outside, 80) with { Payload = new byte[300] };
        yield return (TestNode.Curl, whole.Fragment(0, 160));
        yield return (TestNode.Curl, whole.Fragment(160, 160));
        yield return (TestNode.Curl, TestPacket.Udp(m.CurlPod, 40000, m.Outside, 80) with { HasUdpChecksum = false });
        yield return (TestNode.Curl, TestPacket.Udp(m.CurlPod, 40000, m.Outside, 80) with { Payload = new byte[1400] });
        yield return (TestNode.Curl, TestPacket.Udp(m.CurlPod, 40000, m.Outside, 80) with { Payload = new byte[1500] });
        foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp])
        {
            TestPacket returned = TestPacket.Of(protocol, m.Outside, 5000, m.Webpod1, 80) with { Flags = TcpFlags.Syn };
            byte[] address = new byte[16];
            m.ControlPlane.WriteTo(address);
            yield return (TestNode.Uplink, m.IsIpv4
                ? returned with { Ipv4Options = [0x9A, 8, 0x80, 0x75, 4, 0, 18, 172] }
                : returned with { Extensions = [(60, [0, 2, 0x1B, 20, .. address, 0x75, 0x80, 0, 0])] });
        }

        yield return m.IsIpv4
            ? (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 40000, m.ClusterIp, 80) with { Ipv4Options = [7, 7, 4, 0, 0, 0, 0, 1] })
            : (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 40000, m.ClusterIp, 80) with { Extensions = [(0, [0, 0, 1, 4, 0, 0, 0, 0]), (60, [0, 0, 1, 4, 0, 0, 0, 0])] });
    }
}
