using System.Globalization;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Replay;

/// <summary>
/// Who speaks to whom in a frame, in text. Read from the bytes and not from what the stages made of them, so that it also shows what
/// they refuse, and shows what really left.
/// </summary>
/// <param name="Source">10.0.1.105:4000; without a port where the protocol or the fragment has none; a MAC address for what is not IP.</param>
/// <param name="Protocol">TCP, UDP, SCTP, ICMP, ICMPv6, ARP, a number of IP's, or EtherType 0x88cc.</param>
/// <param name="Message">What an ARP or ICMP message says, null for others.</param>
/// <param name="Id">Of an ICMP echo, which masquerading translates as it does ports.</param>
/// <param name="Quoted">The packet that an ICMP error complains of.</param>
public sealed record FrameTuple(string Source, string Destination, string Protocol, string? Message = null, int? Id = null, FrameTuple? Quoted = null)
{
    /// <summary>Null for a frame too short for what it says it is.</summary>
    public static FrameTuple? Read(Span<byte> frame)
    {
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet))
        {
            return null;
        }

        Span<byte> payload = frame[EthernetHeader.Length..];
        switch (ethernet.Type)
        {
            case EtherType.Arp:
                return ArpPacket.TryParse(payload, out ArpPacket arp)
                    ? new FrameTuple(arp.SenderIp.ToString(), arp.TargetIp.ToString(), "ARP", arp.Operation.ToString().ToLowerInvariant())
                    : null;
            case EtherType.Ipv4 or EtherType.Ipv6:
                return IpHeader.Parse(payload, quoted: false, out IpHeader ip) == IpParseResult.Valid
                    ? ReadDatagram(payload[..ip.TotalLength], ip, quoted: false)
                    : null;
            default:
                string type = string.Create(CultureInfo.InvariantCulture, $"EtherType 0x{(ushort)ethernet.Type:x4}");
                return new FrameTuple(ethernet.Source.ToString(), ethernet.Destination.ToString(), type);
        }
    }

    private static FrameTuple ReadDatagram(Span<byte> datagram, IpHeader ip, bool quoted)
    {
        var addresses = new FrameTuple(ip.Source.ToString(), ip.Destination.ToString(), FlowKey.ProtocolName(ip.Protocol));
        if (!TransportHeader.IsKnown(ip.Protocol) || ip.FragmentOffset != 0)
        {
            return addresses;
        }

        Span<byte> segment = datagram[ip.HeaderLength..];
        if (!(quoted
            ? TransportHeader.TryParseQuoted(segment, ip.Protocol, out TransportHeader transport)
            : TransportHeader.TryParse(segment, ip.Protocol, ip.HasMoreFragments, out transport)))
        {
            return addresses;
        }

        if (!transport.IsIcmp)
        {
            return addresses with
            {
                Source = FlowKey.Endpoint(ip.Source, transport.SourcePort),
                Destination = FlowKey.Endpoint(ip.Destination, transport.DestinationPort),
            };
        }

        return addresses with
        {
            Message = MessageOf(transport),
            Id = transport.IcmpKind is IcmpKind.EchoRequest or IcmpKind.EchoReply ? transport.EchoId : null,
            Quoted = transport.IcmpKind == IcmpKind.Error && !quoted ? ReadQuoted(segment[TransportHeader.IcmpLength..]) : null,
        };
    }

    private static FrameTuple? ReadQuoted(Span<byte> datagram) =>
        IpHeader.Parse(datagram, quoted: true, out IpHeader ip) == IpParseResult.Valid ? ReadDatagram(datagram, ip, quoted: true) : null;

    private static string MessageOf(TransportHeader icmp) => icmp.IcmpKind switch
    {
        IcmpKind.EchoRequest => "echo request",
        IcmpKind.EchoReply => "echo reply",
        IcmpKind.NeighborDiscovery when icmp.IcmpType == NeighborMessage.Solicitation => "neighbor solicitation",
        IcmpKind.NeighborDiscovery when icmp.IcmpType == NeighborMessage.Advertisement => "neighbor advertisement",
        _ => string.Create(CultureInfo.InvariantCulture, $"type {icmp.IcmpType} code {icmp.IcmpCode}"),
    };
}
