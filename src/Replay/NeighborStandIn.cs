using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Replay;

/// <summary>
/// Answers for the neighbours on the node network, who cannot hear a replay: every address that is asked for exists and has a MAC
/// address that follows from it.
/// </summary>
internal static class NeighborStandIn
{
    private const ulong LocallyAdministered = 0x0200_0000_0000;

    /// <summary>The answer to an ARP request or a neighbour solicitation; null for any other frame.</summary>
    public static byte[]? Answer(Span<byte> frame)
    {
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        Span<byte> payload = frame[EthernetHeader.Length..];

        // A unicast question confirms an address learned before, perhaps from the capture: it stays true.
        MacAddress known = ethernet.Destination.IsGroup ? default : ethernet.Destination;
        if (ethernet.Type == EtherType.Arp && ArpPacket.TryParse(payload, out ArpPacket arp) && arp.Operation == ArpOperation.Request)
        {
            MacAddress mac = known == default ? MacOf(arp.TargetIp) : known;
            byte[] answer = Frame(ethernet.Source, mac, EtherType.Arp, ArpPacket.Length);
            ArpPacket.Write(answer.AsSpan(EthernetHeader.Length), ArpOperation.Reply, mac, arp.TargetIp, arp.SenderMac, arp.SenderIp);
            return answer;
        }

        if (ethernet.Type == EtherType.Ipv6 && IpHeader.Parse(payload, quoted: false, out IpHeader ip) == IpParseResult.Valid
            && ip.Protocol == IpProtocol.Icmpv6 && NeighborMessage.TryParse(payload[ip.HeaderLength..], out NeighborMessage message)
            && message.Type == NeighborMessage.Solicitation)
        {
            MacAddress mac = known == default ? MacOf(message.Target) : known;
            byte[] answer = Frame(ethernet.Source, mac, EtherType.Ipv6, IpHeader.Ipv6Length + NeighborMessage.Length);
            NeighborMessage.Write(answer.AsSpan(EthernetHeader.Length), NeighborMessage.Advertisement, message.Target, ip.Source, message.Target, mac);
            return answer;
        }

        return null;
    }

    /// <summary>02:00 and the four bytes of an IPv4 address, 02 and forty bits of an IPv6 address.</summary>
    private static MacAddress MacOf(IpAddress address) => new(LocallyAdministered | (address.IsIpv4
        ? address.ToIpv4()
        : (address.High ^ address.Low ^ (address.High >> 40)) & 0xFF_FFFF_FFFF));

    private static byte[] Frame(MacAddress destination, MacAddress source, EtherType type, int payloadLength)
    {
        byte[] frame = new byte[EthernetHeader.Length + payloadLength];
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Destination = destination;
        ethernet.Source = source;
        ethernet.Type = type;
        return frame;
    }
}
