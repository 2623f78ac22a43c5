using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>A frame in one line.</summary>
internal static class FrameWords
{
    /// <summary>TCP 10.0.1.105:40000 -> 10.1.1.2:80 SYN, hops 63, 54 bytes, 02:.. to 02:...</summary>
    public static string Of(Span<byte> frame)
    {
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{frame.Length} bytes, too short for a frame");
        }

        Span<byte> payload = frame[EthernetHeader.Length..];
        string what = ethernet.Type switch
        {
            EtherType.Arp when ArpPacket.TryParse(payload, out ArpPacket arp) =>
                arp.Operation == ArpOperation.Request ? $"ARP: who has {arp.TargetIp}, asks {arp.SenderIp}" : $"ARP: {arp.SenderIp} has {arp.SenderMac}",
            EtherType.Ipv4 or EtherType.Ipv6 when IpHeader.Parse(payload, quoted: false, out IpHeader ip) == IpParseResult.Valid => Datagram(payload, ip),
            _ => string.Create(CultureInfo.InvariantCulture, $"EtherType 0x{(ushort)ethernet.Type:x4}"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{what}, {frame.Length} bytes, {ethernet.Source} to {ethernet.Destination}");
    }

    /// <summary>SYN,ACK.</summary>
    public static string Of(TcpFlags flags) => flags == TcpFlags.None
        ? "no flags"
        : string.Join(',', Enum.GetValues<TcpFlags>().Where(f => f != 0 && (flags & f) != 0).Select(f => f.ToString().ToUpperInvariant()));

    private static string Datagram(Span<byte> datagram, IpHeader ip)
    {
        string hops = string.Create(CultureInfo.InvariantCulture, $"hops {ip.HopLimit}");
        string protocol = FlowKey.ProtocolName(ip.Protocol);
        if (ip.FragmentOffset != 0 || !TransportHeader.IsKnown(ip.Protocol) || !TransportHeader.TryParse(datagram[ip.HeaderLength..], ip.Protocol, ip.HasMoreFragments, out TransportHeader transport))
        {
            return $"{protocol} {ip.Source} -> {ip.Destination}{(ip.FragmentOffset != 0 ? ", a later fragment" : "")}, {hops}";
        }

        if (!transport.IsIcmp)
        {
            string flags = ip.Protocol == IpProtocol.Tcp ? $" {Of(transport.Flags)}" : "";
            return $"{protocol} {FlowKey.Endpoint(ip.Source, transport.SourcePort)} -> {FlowKey.Endpoint(ip.Destination, transport.DestinationPort)}{flags}, {hops}";
        }

        string message = transport.IcmpKind switch
        {
            IcmpKind.EchoRequest => string.Create(CultureInfo.InvariantCulture, $"echo request {transport.EchoId}"),
            IcmpKind.EchoReply => string.Create(CultureInfo.InvariantCulture, $"echo reply {transport.EchoId}"),
            _ => Message(transport.IcmpType, transport.IcmpCode, ip.IsIpv4),
        };
        return $"{protocol} {ip.Source} -> {ip.Destination} {message}, {hops}";
    }

    private static string Message(byte type, byte code, bool isIpv4) => (isIpv4, type, code) switch
    {
        (true, 3, 3) or (false, 1, 4) => "port unreachable",
        (true, 3, 4) or (false, 2, _) => "too big",
        (true, 11, 0) or (false, 3, 0) => "time exceeded",
        (false, 135, _) => "neighbour solicitation",
        (false, 136, _) => "neighbour advertisement",
        _ => string.Create(CultureInfo.InvariantCulture, $"type {type} code {code}"),
    };
}
