using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Last stage: takes a hop off, sees that the packet fits, and writes the MAC addresses of the next link.</summary>
public static class TransmitStage
{
    /// <summary>IPv4's total length; what IPv6 could have more is not worth another rule.</summary>
    private const int LongestDatagram = ushort.MaxValue;

    public static Verdict Run(ref PacketContext p, Port[] ports, NeighborTable neighbors, Outbox outbox, MonoTime now)
    {
        Port port = ports[p.EgressPort];
        if (p.NextHop == default)
        {
            Verdict verdict = TakeHop(ref p, port.Kind, port.Mtu);
            if (verdict != Verdict.Continue)
                return verdict;
        }

        EthernetHeader ethernet = EthernetHeader.Of(p.Frame);
        ethernet.Source = port.RouterMac;
        if (port.Kind != PortKind.Uplink)
        {
            ethernet.Destination = port.StationMac;
            return Verdict.Transmit;
        }

        IpAddress nextHop = p.NextHop == default ? NextHop(p.Route, p.Key.Destination) : p.NextHop;
        if (neighbors.TryResolve(nextHop, now, out MacAddress mac))
        {
            ethernet.Destination = mac;
            return Verdict.Transmit;
        }

        return neighbors.Solicit(nextHop, port, p.IngressPort, now) && outbox.TryHold(p, nextHop)
            ? Verdict.Held
            : p.Drop(DropReason.NoRoute, NoRouteDetail.NoNeighbor);
    }

    /// <summary>Takes a hop off and sees that the packet fits, before anything is put around it.</summary>
    /// <param name="mtu">Longest datagram that the way takes.</param>
    internal static Verdict TakeHop(ref PacketContext p, PortKind egress, int mtu)
    {
        IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip);
        bool isHop = IsHop(p.IngressKind, egress);
        if (isHop && ip.HopLimit <= 1)
            return p.Drop(DropReason.HopLimitExceeded);
        int addedLength = DirectReturn.AddedLength(p);
        bool isTooLong = DatagramLength(p) + addedLength > mtu;
        if (isTooLong && !Fragmenter.CanCut(ip, mtu - addedLength))
            return p.Drop(DropReason.FragmentationNeeded);
        if (addedLength > 0 && !DirectReturn.HasRoom(p, addedLength))
            return p.Drop(DropReason.TruncatedHeader);
        if (addedLength > 0 && ip.TotalLength + addedLength > LongestDatagram)
            return p.Drop(DropReason.FragmentationNeeded);

        // Only now: an ICMP answer quotes the packet as it came.
        if (addedLength > 0)
        {
            DirectReturn.AddOption(ref p, addedLength);
            IpHeader.Parse(p.Datagram, quoted: false, out ip);
        }

        if (isTooLong)
        {
            p.Offload = p.Offload.FragmentedTo(mtu);
        }

        if (isHop)
        {
            ip.DecrementHopLimit();
        }

        return Verdict.Continue;
    }

    /// <summary>The host stack is the node itself: what it sends to the network or gets from anywhere has passed no router here.</summary>
    internal static bool IsHop(PortKind ingress, PortKind egress) => egress != PortKind.Host && !(ingress == PortKind.Host && egress == PortKind.Uplink);

    /// <summary>Whose MAC address is needed for a packet with this destination.</summary>
    internal static IpAddress NextHop(RouteTarget target, IpAddress destination) => target.NextHop == default ? destination : target.NextHop;

    /// <summary>Of the longest packet that a device will make of one with so long headers: itself, or a segment of a super-packet.</summary>
    internal static int DatagramLength(int whole, int headerLength, in VirtioNetHeader offload) =>
        offload.IsSuperPacket ? Math.Min(whole, headerLength + offload.SegmentLength) : whole;

    /// <summary>Of the packet, or of the longest segment that a super-packet will be cut into.</summary>
    private static int DatagramLength(in PacketContext p)
    {
        int whole = p.FrameLength - EthernetHeader.Length;
        if (!p.Offload.IsSuperPacket || p.IsIcmpError || !p.HasTransport
            || !TransportHeader.TryParse(p.Datagram[p.TransportOffset..], p.Key.Protocol, fragment: true, out TransportHeader transport))
        {
            return whole;
        }

        // The offload's own header length is a hint (virtio 1.2 section 5.1.6.2): Linux puts the whole linear part of the packet there.
        return DatagramLength(whole, p.TransportOffset + transport.HeaderLength, p.Offload);
    }
}
