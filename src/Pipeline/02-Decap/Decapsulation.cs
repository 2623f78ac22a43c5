using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Before the stages, where the node has tunnels: takes the outer headers off frames for this node's end, so that inner segments can be joined, inner
/// flows go to their workers and established ones take the shortcut. What has a fault stays as it is, and <see cref="DecapStage"/> says which.
/// </summary>
public static class Decapsulation
{
    /// <summary>Inner Ethernet and IP headers at least.</summary>
    private const int LeastInnerLength = EthernetHeader.Length + IpHeader.Ipv4Length;

    /// <summary>Unwraps what it can of a burst; frames that are unwrapped already stay as they are.</summary>
    public static void Run(Burst burst, Snapshot s)
    {
        if (s.Tunnels is not { } tunnels || s.UplinkPort < 0)
        {
            return;
        }

        MacAddress uplink = s.Ports[s.UplinkPort].RouterMac;
        foreach (ref BurstFrame frame in burst.Frames)
        {
            if (frame.IngressPort == s.UplinkPort && !frame.Tunnel.IsSet)
            {
                TryUnwrap(burst.BufferOf(frame.Buffer), ref frame, tunnels, uplink);
            }
        }
    }

    /// <summary>The same for one frame.</summary>
    /// <param name="buffer">In which the frame lies as it says.</param>
    public static void Run(Span<byte> buffer, ref BurstFrame frame, Snapshot s)
    {
        if (s.Tunnels is { } tunnels && frame.IngressPort == s.UplinkPort)
        {
            TryUnwrap(buffer, ref frame, tunnels, s.Ports[s.UplinkPort].RouterMac);
        }
    }

    /// <summary>Reads the outer headers. Changes nothing.</summary>
    /// <param name="frame">From the outer Ethernet header on.</param>
    /// <param name="outerLength">Bytes up to the inner frame; 0 for a frame that is not for this node's end of the tunnels.</param>
    /// <param name="end">Where the inner frame ends.</param>
    /// <returns>Why the frame must not be unwrapped, or <see cref="DropReason.None"/>.</returns>
    public static DropReason Read(Span<byte> frame, in VirtioNetHeader offload, TunnelTable tunnels, out int outerLength, out int end, out TunnelNote note)
    {
        outerLength = end = 0;
        note = default;
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet) || ethernet.Type != (tunnels.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6)
            || IpHeader.Parse(frame[EthernetHeader.Length..], quoted: offload.IsTunnelled, out IpHeader ip) != IpParseResult.Valid
            || ip.Protocol != IpProtocol.Udp || ip.Destination != tunnels.Own || !ip.HasValidChecksum)
        {
            return DropReason.None;
        }

        // What a super-packet's length field cannot say the frame does.
        int udp = EthernetHeader.Length + ip.HeaderLength;
        end = offload.IsTunnelled ? frame.Length : EthernetHeader.Length + ip.TotalLength;
        if (ip.FragmentOffset != 0 || !UdpHeader.TryParse(frame[udp..end], out UdpHeader header) || header.DestinationPort != tunnels.Port)
        {
            return DropReason.None;
        }

        outerLength = udp + UdpHeader.Length + VxlanHeader.Length;
        if (ip.HasMoreFragments)
        {
            return DropReason.FragmentsNotSupported;
        }

        if (outerLength + LeastInnerLength > end || !HasSoundUdp(frame[udp..end], header, udp, ip, offload)
            || !VxlanHeader.TryRead(frame[(udp + UdpHeader.Length)..end], out uint identity))
        {
            return DropReason.TunnelHeader;
        }

        if (!tunnels.Senders.TryLookup(ip.Source, out int sender) || tunnels.Endpoints[sender] is not { } endpoint)
        {
            return DropReason.UnknownSender;
        }

        note = new TunnelNote(sender, identity);
        return tunnels.IsPossible(identity, endpoint.ClusterId) ? DropReason.None : DropReason.InvalidIdentity;
    }

    private static void TryUnwrap(Span<byte> buffer, ref BurstFrame burstFrame, TunnelTable tunnels, MacAddress uplink)
    {
        Span<byte> frame = buffer.Slice(burstFrame.Start, burstFrame.Length);
        if (!EthernetHeader.TryParse(frame, out EthernetHeader outer) || outer.Destination != uplink
            || Read(frame, burstFrame.Offload, tunnels, out int outerLength, out int end, out TunnelNote note) != DropReason.None || outerLength == 0)
        {
            return;
        }

        Span<byte> inner = frame[outerLength..end];
        if (!TryCombineEcn(inner, IpHeader.TrafficClassOf(frame[EthernetHeader.Length..])))
        {
            return;
        }

        // Whom the inner frame was addressed to is the tunnel's affair; to the stages it is one of the node network's like any other.
        EthernetHeader ethernet = EthernetHeader.Of(inner);
        ethernet.Source = outer.Source;
        if (!ethernet.Destination.IsGroup)
        {
            ethernet.Destination = uplink;
        }

        burstFrame.Start += outerLength;
        burstFrame.Length = inner.Length;
        burstFrame.Offload = burstFrame.Offload.Inner(outerLength);
        burstFrame.Tunnel = note;
    }

    /// <summary>
    /// RFC 7348 section 5 lets the receiver of a checksum ignore it; Linux does not, nor does this. One that its sender's device left partial, or one
    /// beside an inner one that is, has not seen a wire.
    /// </summary>
    private static bool HasSoundUdp(Span<byte> datagram, UdpHeader header, int udp, IpHeader ip, in VirtioNetHeader offload)
    {
        if (offload.IsTunnelled)
        {
            return true;
        }

        if (offload.IsSuperPacket && offload.ChecksumStart <= udp)
        {
            return false; // Several tunnelled frames in one: no sender makes that.
        }

        return header.DatagramLength == datagram.Length
            && (header.Checksum == 0 || offload.HasPartialChecksum || (offload.Flags & VirtioNetFlags.DataValid) != 0
                || InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeader(ip.Source, ip.Destination, IpProtocol.Udp, datagram.Length)) == ushort.MaxValue);
    }

    /// <summary>False for a frame that must not go on (RFC 6040 section 4.2); what is no IP is left to Parse.</summary>
    private static bool TryCombineEcn(Span<byte> inner, byte outerClass)
    {
        if ((outerClass & Ecn.Mask) == Ecn.NotCapable || IpHeader.Parse(inner[EthernetHeader.Length..], quoted: true, out IpHeader ip) != IpParseResult.Valid)
        {
            return true;
        }

        byte innerClass = ip.TrafficClass;
        if (!Ecn.TryCombine(innerClass, outerClass, out byte combined))
        {
            return false;
        }

        if (combined != innerClass)
        {
            ip.TrafficClass = combined;
        }

        return true;
    }
}
