using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Behind a drop: tells the sender what a router tells (RFC 1812 section 4.3, RFC 4443 section 2.4), quoting the packet as the sender sent
/// it: every translation undone, of a super-packet the first segment. The drop stays a drop; the answer leaves beside it by the outbox.
/// </summary>
public static class IcmpAnswer
{
    /// <summary>As Cilium quotes a packet for a service without backends (icmp.h ICMP_PACKET_MAX_SAMPLE_SIZE).</summary>
    private const int NoBackendQuoteLength = 64;

    /// <summary>RFC 1812 section 4.3.2.3: the whole answer has at most 576 bytes.</summary>
    private const int LongestIpv4 = 576;

    /// <summary>RFC 4443 section 2.4 c: at most the least MTU of IPv6.</summary>
    private const int LongestIpv6 = 1280;

    /// <summary>RFC 1812 section 4.3.2.5: answers go with the precedence of internetwork control, and keep the packet's service.</summary>
    private const byte InternetworkControl = 0xC0;

    private const byte ServiceMask = 0xFC;

    /// <summary>Answers the packet that was dropped, if its reason and its kind want it. The packet's translations are undone then.</summary>
    public static void Send(ref PacketContext p, Port[] ports, TunnelTable? tunnels, IcmpRules rules, IcmpLimiter limiter, Outbox outbox, MonoTime now)
    {
        if (!TryFindKind(p, rules, out IcmpAnswerKind kind) || !MayBeAnswered(p))
        {
            return;
        }

        EthernetHeader received = EthernetHeader.Of(p.Frame);
        Port port = ports[p.IngressPort];
        MacAddress station = port.Kind == PortKind.Uplink ? received.Source : port.StationMac;
        IpAddress source = SourceOf(p, rules, kind);
        if (source == default || station.IsGroup || !limiter.TryTake(p.IngressPort, kind, now) || !outbox.TryReserve(out int slot, out Span<byte> buffer)
            || !HeaderRewrite.Translate(ref p, p.ReceivedKey))
        {
            return;
        }

        // The packet is copied to where it will be quoted, behind the headers that are then written before it.
        TunnelEndpoint? tunnel = tunnels?.Endpoints[p.Tunnel.Sender];
        Span<byte> whole = buffer;
        buffer = buffer[(tunnel?.Template.Length ?? 0)..];
        var plain = new Segmenter(p.Frame, p.Offload, TapOffloads.None);
        int headerLength = IcmpMessage.HeaderLengthOf(p.IsIpv4);
        if (!plain.TryNext(buffer[headerLength..], out int length))
        {
            return;
        }

        Span<byte> frame = buffer[VirtioNetHeader.Length..];
        Span<byte> datagram = frame[EthernetHeader.Length..];
        int quotedLength = Math.Min(length - VirtioNetHeader.Length - EthernetHeader.Length, LongestQuote(kind, p.IsIpv4));
        if (IpHeader.Parse(datagram.Slice(headerLength, quotedLength), quoted: true, out IpHeader quoted) != IpParseResult.Valid)
        {
            return; // The sender wanted its checksum written into its own headers.
        }

        (byte type, byte code) = NumbersOf(kind, p.IsIpv4);
        int datagramLength = IcmpMessage.WriteError(
            datagram, source, p.ReceivedKey.Source, ClassOf(kind, quoted), type, code, kind == IcmpAnswerKind.TooBig ? MtuOf(p, ports, tunnels, now) : 0, quotedLength);
        default(VirtioNetHeader).WriteTo(buffer);
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Destination = station;
        ethernet.Source = port.RouterMac;
        ethernet.Type = p.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6;
        int frameLength = EthernetHeader.Length + datagramLength;
        if (tunnel is not null)
        {
            frameLength += tunnel.Template.Length;
            Wrap(whole[..(VirtioNetHeader.Length + frameLength)], tunnels!, tunnel, new FlowKey(source, p.ReceivedKey.Source, 0, 0, p.Key.Protocol), station, port);
        }

        outbox.Ready(slot, port.Id, frameLength);
        limiter.CountSent(kind);
    }

    /// <summary>What came through a tunnel is answered by it: to the station from which the outer frame came.</summary>
    private static void Wrap(Span<byte> packet, TunnelTable tunnels, TunnelEndpoint tunnel, in FlowKey key, MacAddress station, Port port)
    {
        VirtioNetHeader offload = default;
        Span<byte> frame = packet[VirtioNetHeader.Length..];
        Encapsulation.Wrap(frame, ref offload, tunnels, tunnel, NumericIdentity.RemoteNode, key);
        offload.WriteTo(packet);
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Destination = station;
        ethernet.Source = port.RouterMac;
    }

    /// <summary>What would have fitted.</summary>
    private static uint MtuOf(in PacketContext p, Port[] ports, TunnelTable? tunnels, MonoTime now) =>
        (uint)((p.Route.Tunnel != 0 && tunnels is not null ? tunnels.MtuTo(p.Route.Tunnel, now) : ports[p.EgressPort].Mtu) - DirectReturn.AddedLength(p));

    private static bool TryFindKind(in PacketContext p, IcmpRules rules, out IcmpAnswerKind kind)
    {
        switch (p.Reason)
        {
            case DropReason.NoBackend when p.ReasonDetail == 0:
                kind = IcmpAnswerKind.NoBackend;
                return rules.RefusesNoBackend;
            case DropReason.FragmentationNeeded:
                kind = IcmpAnswerKind.TooBig;
                return true;
            case DropReason.HopLimitExceeded:
                kind = IcmpAnswerKind.TimeExceeded;
                return true;
            case DropReason.PolicyDenied or DropReason.PolicyDeny when p.EgressPolicy == FlowVerdict.Dropped:
                kind = IcmpAnswerKind.Prohibited;
                return rules.RefusesDenied;
            default:
                kind = default;
                return false;
        }
    }

    /// <summary>
    /// RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 e: not an ICMP error, whichever, nor a fragment behind the first; groups, broadcasts and
    /// senders that are no host have been dropped by Parse already, for reasons that nobody answers.
    /// </summary>
    private static bool MayBeAnswered(in PacketContext p) =>
        p.HasTransport && !p.IsIcmpError && (p.Key.Protocol is not (IpProtocol.Icmp or IpProtocol.Icmpv6) || p.IcmpKind is IcmpKind.EchoRequest or IcmpKind.EchoReply);

    /// <summary>
    /// The service speaks for itself, as with Cilium. The host stack has the router's and the node's addresses itself and would take an answer
    /// from them for a forgery, so that it hears the destination.
    /// </summary>
    private static IpAddress SourceOf(in PacketContext p, IcmpRules rules, IcmpAnswerKind kind) =>
        kind == IcmpAnswerKind.NoBackend || p.IngressKind == PortKind.Host ? p.ReceivedKey.Destination : rules.RouterFor(p.IngressKind, p.IsIpv4);

    private static int LongestQuote(IcmpAnswerKind kind, bool isIpv4) =>
        isIpv4 && kind == IcmpAnswerKind.NoBackend ? NoBackendQuoteLength : (isIpv4 ? LongestIpv4 : LongestIpv6) - IcmpMessage.HeaderLengthOf(isIpv4);

    private static byte ClassOf(IcmpAnswerKind kind, IpHeader quoted) =>
        kind == IcmpAnswerKind.NoBackend ? quoted.TrafficClass : (byte)(InternetworkControl | (quoted.TrafficClass & ServiceMask));

    private static (byte Type, byte Code) NumbersOf(IcmpAnswerKind kind, bool isIpv4) => kind switch
    {
        IcmpAnswerKind.NoBackend => isIpv4 ? ((byte)3, (byte)3) : ((byte)1, (byte)4),
        IcmpAnswerKind.TooBig => isIpv4 ? ((byte)3, (byte)4) : ((byte)2, (byte)0),
        IcmpAnswerKind.Prohibited => isIpv4 ? ((byte)3, (byte)13) : ((byte)1, (byte)1),
        _ => isIpv4 ? ((byte)11, (byte)0) : ((byte)3, (byte)0),
    };
}
