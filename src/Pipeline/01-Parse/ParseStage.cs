using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// First stage: is this a frame for us, an honest one, and of which flow? Non-IP frames end here; ARP and neighbour discovery are
/// answered here by <see cref="NeighborDiscovery"/>.
/// </summary>
public static class ParseStage
{
    public static Verdict Run(ref PacketContext p, Port[] ports, RouteTable routes, NeighborTable neighbors, FragmentTable fragments, MonoTime now)
    {
        Port port = ports[p.IngressPort];
        p.IngressKind = port.Kind;
        p.FlowIndex = -1;
        p.ChoiceIndex = -1;
        p.AffinityIndex = -1;
        if (!EthernetHeader.TryParse(p.Frame, out EthernetHeader ethernet))
            return p.Drop(DropReason.InvalidPacket);
        if (ethernet.Destination != port.RouterMac && !ethernet.Destination.IsGroup)
            return p.Drop(DropReason.OtherStation);

        switch (ethernet.Type)
        {
            case EtherType.Ipv4 or EtherType.Ipv6:
                break;
            case EtherType.Arp:
                return p.Tunnel.IsSet ? p.Drop(DropReason.UnsupportedNetworkProtocol) : NeighborDiscovery.AnswerArp(ref p, port, neighbors, now);
            case EtherType.Vlan or EtherType.ServiceVlan:
                return p.Drop(DropReason.Vlan);
            case < EtherType.FirstType:
                return p.Drop(DropReason.UnsupportedLinkProtocol);
            default:
                return p.Drop(DropReason.UnsupportedNetworkProtocol);
        }

        IpParseResult parsed = IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip);
        if (parsed == IpParseResult.BadExtensionHeader)
            return p.Drop(DropReason.InvalidExtensionHeader);
        if (parsed != IpParseResult.Valid || ip.IsIpv4 != (ethernet.Type == EtherType.Ipv4) || !ip.HasValidChecksum)
            return p.Drop(DropReason.InvalidPacket);

        // Ethernet pads short frames; what lies behind the datagram is not passed on.
        p.FrameLength = EthernetHeader.Length + ip.TotalLength;
        p.IsIpv4 = ip.IsIpv4;
        p.TransportOffset = ip.HeaderLength;
        p.Key = new FlowKey(ip.Source, ip.Destination, 0, 0, ip.Protocol);
        if (ip.Protocol == (ip.IsIpv4 ? IpProtocol.Icmpv6 : IpProtocol.Icmp))
            return p.Drop(DropReason.UnknownTransport);
        if (ip.Protocol == IpProtocol.Icmpv6 && !ip.IsFragment && NeighborDiscovery.IsNeighborDiscovery(p.Datagram[ip.HeaderLength..]))
            return p.Tunnel.IsSet ? p.Drop(DropReason.ForbiddenIcmpv6) : NeighborDiscovery.AnswerIpv6(ref p, ip, port, routes, neighbors, now);
        if (!IsHonestSource(port, ip.Source))
            return p.Drop(DropReason.InvalidSource);
        if (ip.Destination.IsMulticast || ip.Destination.IsBroadcast || ip.Destination.IsUnspecified || ip.Destination.IsLoopback)
            return p.Drop(DropReason.UnknownTarget);

        if (ethernet.Destination.IsGroup)
            return p.Drop(DropReason.OtherStation); // RFC 1812 section 5.3.4: what was sent to everyone on a link is not forwarded.

        Verdict verdict = ReadTransport(ref p, ip, fragments, now);
        p.ReceivedKey = p.Key;
        return verdict;
    }

    /// <summary>A pod sends under its own addresses only, the node network not under the node's; nobody under one that names no host.</summary>
    private static bool IsHonestSource(Port port, IpAddress source) => port.Kind == PortKind.Endpoint
        ? port.HasAddress(source)
        : !source.IsMulticast && !source.IsBroadcast && !source.IsUnspecified && !source.IsLoopback
            && (port.Kind == PortKind.Host || !port.HasAddress(source));

    private static Verdict ReadTransport(ref PacketContext p, IpHeader ip, FragmentTable fragments, MonoTime now)
    {
        if (!TransportHeader.IsKnown(ip.Protocol))
            return Verdict.Continue;
        if (ip.IsFragment && ip.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6)
            return p.Drop(DropReason.InvalidPacket);
        if (ip.IsFragment && !fragments.IsTracking)
            return p.Drop(DropReason.FragmentsNotSupported);
        if (ip.IsFragment && !IsSoundFragment(ip))
            return p.Drop(DropReason.InvalidPacket);
        if (ip.FragmentOffset != 0)
        {
            if (!fragments.TryGetPorts(p.Key, ip.FragmentId, now, out FlowKey first))
                return fragments.Hold is { } hold && hold.TryHold(p, ip.FragmentId, now) ? Verdict.Held : p.Drop(DropReason.FirstFragmentMissing);
            p.Key = first;
            return Verdict.Continue;
        }

        Span<byte> segment = p.Datagram[ip.HeaderLength..];
        if (!TransportHeader.TryParse(segment, ip.Protocol, ip.HasMoreFragments, out TransportHeader transport))
            return p.Drop(DropReason.InvalidPacket);

        p.HasTransport = true;
        if (transport.IsIcmp)
        {
            p.IcmpKind = transport.IcmpKind;
            p.IcmpType = transport.IcmpType;
            p.IcmpCode = transport.IcmpCode;
            return p.IcmpKind switch
            {
                IcmpKind.EchoRequest => WithPorts(ref p, 0, transport.EchoId),
                IcmpKind.EchoReply => WithPorts(ref p, transport.EchoId, 0),
                IcmpKind.Error => ReadQuoted(ref p, ip, segment[TransportHeader.IcmpLength..]),
                _ => Verdict.Continue,
            };
        }

        if (ip.Protocol == IpProtocol.Tcp)
        {
            p.TcpFlags = transport.Flags;
        }

        WithPorts(ref p, transport.SourcePort, transport.DestinationPort);
        if (ip.HasMoreFragments)
        {
            fragments.Remember(p.Key, ip.FragmentId, now);
        }

        return Verdict.Continue;
    }

    /// <summary>
    /// No fragment reaches beyond the longest datagram (RFC 791 section 3.2) or ends between two units; and none lies where the first one's TCP
    /// header is, to change what was looked at (RFC 1858 section 3, RFC 3128).
    /// </summary>
    private static bool IsSoundFragment(IpHeader ip)
    {
        int payloadLength = ip.TotalLength - ip.HeaderLength;
        return payloadLength > 0
            && (!ip.HasMoreFragments || payloadLength % Ipv4Fragment.Unit == 0)
            && ip.FragmentOffset + payloadLength <= ushort.MaxValue
            && (ip.FragmentOffset == 0 || ip.Protocol != IpProtocol.Tcp || ip.FragmentOffset >= TransportHeader.TcpLength);
    }

    /// <summary>An ICMP error belongs to the flow whose packet it quotes, and runs against that packet's direction.</summary>
    private static Verdict ReadQuoted(ref PacketContext p, IpHeader outer, Span<byte> bytes)
    {
        if (IpHeader.Parse(bytes, quoted: true, out IpHeader quoted) != IpParseResult.Valid || quoted.IsIpv4 != outer.IsIpv4
            || quoted.Source != outer.Destination)
            return p.Drop(DropReason.InvalidPacket);

        p.IsIcmpError = true;
        ushort source = 0;
        ushort destination = 0;
        if (quoted.FragmentOffset == 0 && TransportHeader.TryParseQuoted(bytes[quoted.HeaderLength..], quoted.Protocol, out TransportHeader transport))
        {
            (source, destination) = transport.IcmpKind switch
            {
                _ when !transport.IsIcmp => (transport.SourcePort, transport.DestinationPort),
                IcmpKind.EchoRequest => ((ushort)0, transport.EchoId),
                IcmpKind.EchoReply => (transport.EchoId, (ushort)0),
                _ => ((ushort)0, (ushort)0),
            };
        }

        p.Key = new FlowKey(quoted.Source, quoted.Destination, source, destination, quoted.Protocol).Reversed;
        return Verdict.Continue;
    }

    private static Verdict WithPorts(ref PacketContext p, ushort source, ushort destination)
    {
        p.Key = p.Key with { SourcePort = source, DestinationPort = destination };
        return Verdict.Continue;
    }
}
