using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// ARP (RFC 826) and IPv6 neighbour discovery (RFC 4861) as the datapath plays them. Towards pods and the host stack it is the
/// router for every address; on the node network it is the node, and learns who its neighbours are.
/// </summary>
public static class NeighborDiscovery
{
    public static bool IsNeighborDiscovery(ReadOnlySpan<byte> message) =>
        message.Length > 0 && message[0] is >= NeighborMessage.RouterSolicitation and <= NeighborMessage.Redirect;

    public static Verdict AnswerArp(ref PacketContext p, Port port, NeighborTable neighbors, MonoTime now)
    {
        Span<byte> payload = p.Datagram;
        if (!ArpPacket.TryParse(payload, out ArpPacket arp))
            return p.Drop(DropReason.InvalidPacket);

        IpAddress target = arp.TargetIp;
        IpAddress sender = arp.SenderIp;
        MacAddress senderMac = arp.SenderMac;
        bool isForUs = arp.Operation == ArpOperation.Request && SpeaksFor(port, target, sender);
        if (port.Kind == PortKind.Uplink && !sender.IsUnspecified && !port.HasAddress(sender))
        {
            neighbors.Learn(sender, senderMac, isSolicited: arp.Operation == ArpOperation.Reply, create: isForUs, now);
        }

        if (!isForUs)
        {
            return Verdict.Consumed;
        }

        ArpPacket.Write(payload, ArpOperation.Reply, port.RouterMac, target, senderMac, sender);
        p.FrameLength = EthernetHeader.Length + ArpPacket.Length;
        return AnswerTo(ref p, port, senderMac);
    }

    public static Verdict AnswerIpv6(ref PacketContext p, IpHeader ip, Port port, RouteTable routes, NeighborTable neighbors, MonoTime now)
    {
        Span<byte> message = p.Datagram[ip.HeaderLength..];
        if (message[0] is NeighborMessage.RouterAdvertisement or NeighborMessage.Redirect)
            return p.Drop(DropReason.ForbiddenIcmpv6);
        if (ip.HopLimit != NeighborMessage.HopLimit
            || InternetChecksum.Sum(message, InternetChecksum.PseudoHeader(ip.Source, ip.Destination, IpProtocol.Icmpv6, message.Length)) != 0xFFFF)
            return p.Drop(DropReason.InvalidPacket);
        if (message[0] == NeighborMessage.RouterSolicitation)
            return RouterMessage.IsSolicitation(message, ip.Source.IsUnspecified) ? AnswerRouter(ref p, ip.Source, port) : p.Drop(DropReason.InvalidPacket);
        if (!NeighborMessage.TryParse(message, out NeighborMessage neighbor))
            return p.Drop(DropReason.InvalidPacket);

        if (neighbor.Type == NeighborMessage.Advertisement)
        {
            if (port.Kind == PortKind.Uplink)
            {
                LearnFrom(neighbor, neighbors, now);
            }

            return Verdict.Consumed;
        }

        IpAddress target = neighbor.Target;
        IpAddress sender = ip.Source;
        bool isProxied = port.ProxiesNeighbors && routes.TryLookup(target, out RouteTarget route, out _) && route.Kind == RouteKind.Endpoint;
        if (!isProxied && !SpeaksFor(port, target, sender))
        {
            return Verdict.Consumed;
        }

        // An unspecified sender asks whether its own new address is taken (RFC 4862 section 5.4): all of the link are told, as it has none to answer to.
        bool isProbe = sender.IsUnspecified;
        EthernetHeader ethernet = EthernetHeader.Of(p.Frame);
        IpAddress destination = isProbe ? RouterMessage.AllNodes : sender;
        MacAddress destinationMac = isProbe ? MacAddress.ForMulticast(destination) : neighbor.LinkLayer == default ? ethernet.Source : neighbor.LinkLayer;
        if (port.Kind == PortKind.Uplink && !isProbe && !port.HasAddress(sender))
        {
            neighbors.Learn(sender, destinationMac, isSolicited: false, create: true, now);
        }

        byte flags = isProbe ? NeighborMessage.OverrideRouter : isProxied ? NeighborMessage.SolicitedRouter : NeighborMessage.SolicitedOverrideRouter;
        p.FrameLength = EthernetHeader.Length + NeighborMessage.Write(
            p.Buffer[(p.FrameStart + EthernetHeader.Length)..], NeighborMessage.Advertisement, target, destination, target, port.RouterMac, flags);
        return AnswerTo(ref p, port, destinationMac);
    }

    /// <summary>
    /// Pods and the host stack have their routes already: they hear that the router is there, and ask no more. Nobody on the node network is told to
    /// send anything by this node.
    /// </summary>
    private static Verdict AnswerRouter(ref PacketContext p, IpAddress sender, Port port)
    {
        if (port.Kind == PortKind.Uplink)
        {
            return Verdict.Consumed;
        }

        MacAddress station = EthernetHeader.Of(p.Frame).Source;
        p.FrameLength = EthernetHeader.Length + RouterMessage.WriteAdvertisement(
            p.Buffer[(p.FrameStart + EthernetHeader.Length)..], RouterMessage.LinkLocalOf(port.RouterMac),
            sender.IsUnspecified ? RouterMessage.AllNodes : sender, port.RouterMac);
        return AnswerTo(ref p, port, station);
    }

    /// <summary>RFC 4861 section 7.2.4: who is asked under its own address need not name its MAC, and Linux does not.</summary>
    private static void LearnFrom(NeighborMessage advertisement, NeighborTable neighbors, MonoTime now)
    {
        if (advertisement.LinkLayer != default)
        {
            neighbors.Learn(advertisement.Target, advertisement.LinkLayer, advertisement.IsSolicited, create: false, now);
        }
        else if (advertisement.IsSolicited)
        {
            neighbors.Confirm(advertisement.Target, now);
        }
    }

    /// <summary>
    /// On the node network for the node's addresses; elsewhere for all but the station's own, and for none to a station that probes
    /// whether its new address is taken (RFC 5227 section 2.1.1).
    /// </summary>
    private static bool SpeaksFor(Port port, IpAddress target, IpAddress sender) => port.Kind == PortKind.Uplink
        ? port.HasAddress(target)
        : !port.HasAddress(target) && target != sender && !sender.IsUnspecified;

    private static Verdict AnswerTo(ref PacketContext p, Port port, MacAddress destination)
    {
        EthernetHeader ethernet = EthernetHeader.Of(p.Frame);
        ethernet.Destination = destination;
        ethernet.Source = port.RouterMac;
        p.Offload = default;
        return p.Answer();
    }
}
