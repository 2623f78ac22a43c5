using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using PacketDotNet;

namespace ClusterMesh.Datapath.Replay.Tests;

/// <summary>Frames as the stations around the node would send them, built by PacketDotNet.</summary>
internal static class Packets
{
    public static ReplayFrame Tcp(string port, long time, string source, string destination, string flags, byte ttl = 64)
    {
        (IPAddress from, int fromPort) = End(source);
        (IPAddress to, int toPort) = End(destination);
        var tcp = new TcpPacket((ushort)fromPort, (ushort)toPort)
        {
            Synchronize = flags.Contains('S'),
            Acknowledgment = flags.Contains('A'),
            Finished = flags.Contains('F'),
            WindowSize = 64240,
            PayloadData = [],
        };
        return Frame(port, time, Ip(from, to, ttl, tcp));
    }

    /// <summary>A part of an IPv4 frame's datagram.</summary>
    public static ReplayFrame Fragment(ReplayFrame whole, int offset, int length)
    {
        byte[] payload = whole.Bytes[34..].ToArray();
        var ip = new IPv4Packet(Parse(whole.Bytes).Extract<IPv4Packet>().SourceAddress, Parse(whole.Bytes).Extract<IPv4Packet>().DestinationAddress)
        {
            TimeToLive = 64,
            Id = 77,
            Protocol = PacketDotNet.ProtocolType.Udp,
            FragmentOffset = offset / 8,
            FragmentFlags = (ushort)(offset + length < payload.Length ? 1 : 0),
            PayloadData = payload[offset..Math.Min(offset + length, payload.Length)],
        };
        ip.UpdateCalculatedValues();
        ip.UpdateIPChecksum();
        return Frame(whole.Port, whole.Time, ip);
    }

    public static ReplayFrame Udp(string port, long time, string source, string destination, int length = 4)
    {
        (IPAddress from, int fromPort) = End(source);
        (IPAddress to, int toPort) = End(destination);
        return Frame(port, time, Ip(from, to, 64, new UdpPacket((ushort)fromPort, (ushort)toPort) { PayloadData = [.. Enumerable.Range(1, length).Select(i => (byte)i)] }));
    }

    public static ReplayFrame Echo(string port, long time, string source, string destination, ushort id)
    {
        var bytes = new PacketDotNet.Utils.ByteArraySegment(new byte[16]);
        var icmp = new IcmpV4Packet(bytes) { TypeCode = IcmpV4TypeCode.EchoRequest, Id = id, Sequence = 1 };
        icmp.UpdateIcmpChecksum();
        return Frame(port, time, Ip(IPAddress.Parse(source), IPAddress.Parse(destination), 64, icmp));
    }

    /// <summary>A router's "port unreachable" about a packet that the node sent.</summary>
    public static ReplayFrame PortUnreachable(long time, string router, IPv4Packet about)
    {
        var bytes = new PacketDotNet.Utils.ByteArraySegment([.. new byte[8], .. about.Bytes.AsSpan(0, 28)]);
        var icmp = new IcmpV4Packet(bytes) { TypeCode = IcmpV4TypeCode.UnreachablePort };
        icmp.UpdateIcmpChecksum();
        return Frame("uplink", time, Ip(IPAddress.Parse(router), about.SourceAddress, 64, icmp));
    }

    public static EthernetPacket Parse(ReadOnlyMemory<byte> frame) => (EthernetPacket)Packet.ParsePacket(LinkLayers.Ethernet, frame.ToArray());

    private static ReplayFrame Frame(string port, long time, IPPacket ip)
    {
        EthernetType type = ip is IPv6Packet ? EthernetType.IPv6 : EthernetType.IPv4;
        string router = port == "uplink" ? Node.Document.Local.Uplink!.Mac.ToString() : Node.Document.Local.RouterMac.ToString();
        var ethernet = new EthernetPacket(PhysicalAddress.Parse("02-11-22-33-44-55"), PhysicalAddress.Parse(router), type) { PayloadPacket = ip };
        return new ReplayFrame(port, time, ethernet.Bytes);
    }

    private static IPPacket Ip(IPAddress source, IPAddress destination, byte ttl, Packet transport)
    {
        IPPacket ip = source.AddressFamily == AddressFamily.InterNetworkV6 ? new IPv6Packet(source, destination) : new IPv4Packet(source, destination);
        ip.TimeToLive = ttl;
        ip.PayloadPacket = transport;
        switch (transport)
        {
            case TcpPacket tcp:
                tcp.UpdateTcpChecksum();
                break;
            case UdpPacket udp:
                udp.UpdateUdpChecksum();
                break;
            default:
                break;
        }

        (ip as IPv4Packet)?.UpdateIPChecksum();
        return ip;
    }

    private static (IPAddress Address, int Port) End(string text)
    {
        IPEndPoint end = IPEndPoint.Parse(text);
        return (end.Address, end.Port);
    }
}
