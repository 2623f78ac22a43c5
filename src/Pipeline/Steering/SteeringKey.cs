using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What steering reads of a frame: the flow's key as <see cref="ParseStage"/> will read it, and whether it is a fragment. Checks nothing that Parse checks.</summary>
/// <param name="Key">Ports 0 in a fragment behind the first.</param>
public readonly record struct SteeringKey(FlowKey Key, bool IsFragment, bool IsLaterFragment, uint FragmentId)
{
    /// <summary>False for what has no flow (ARP, neighbour discovery, protocols without ports) and for what Parse will refuse: any worker can say so.</summary>
    public static bool TryRead(Span<byte> frame, out SteeringKey read)
    {
        read = default;
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet) || ethernet.Type is not (EtherType.Ipv4 or EtherType.Ipv6))
        {
            return false;
        }

        Span<byte> datagram = frame[EthernetHeader.Length..];
        if (IpHeader.Parse(datagram, quoted: false, out IpHeader ip) != IpParseResult.Valid || !TransportHeader.IsKnown(ip.Protocol))
        {
            return false;
        }

        var key = new FlowKey(ip.Source, ip.Destination, 0, 0, ip.Protocol);
        if (ip.FragmentOffset != 0)
        {
            read = new SteeringKey(key, true, true, ip.FragmentId);
            return true;
        }

        // Ethernet's padding may lie behind the datagram.
        Span<byte> segment = datagram[ip.HeaderLength..ip.TotalLength];
        if (!TransportHeader.TryParse(segment, ip.Protocol, ip.HasMoreFragments, out TransportHeader transport))
        {
            return false;
        }

        if (transport.IsIcmp && transport.IcmpKind == IcmpKind.Error)
        {
            return TryReadQuoted(segment[TransportHeader.IcmpLength..], out read);
        }

        (ushort source, ushort destination) = PortsOf(transport);
        read = new SteeringKey(key with { SourcePort = source, DestinationPort = destination }, ip.IsFragment, false, ip.FragmentId);
        return !transport.IsIcmp || transport.IcmpKind != IcmpKind.NeighborDiscovery;
    }

    /// <summary>An ICMP error goes where the flow is that it complains of.</summary>
    private static bool TryReadQuoted(Span<byte> bytes, out SteeringKey read)
    {
        read = default;
        if (IpHeader.Parse(bytes, quoted: true, out IpHeader quoted) != IpParseResult.Valid)
        {
            return false;
        }

        ushort source = 0;
        ushort destination = 0;
        if (quoted.FragmentOffset == 0 && TransportHeader.TryParseQuoted(bytes[quoted.HeaderLength..], quoted.Protocol, out TransportHeader transport))
        {
            (source, destination) = PortsOf(transport);
        }

        read = new SteeringKey(new FlowKey(quoted.Source, quoted.Destination, source, destination, quoted.Protocol).Reversed, false, false, 0);
        return true;
    }

    private static (ushort Source, ushort Destination) PortsOf(TransportHeader transport) => transport.IcmpKind switch
    {
        _ when !transport.IsIcmp => (transport.SourcePort, transport.DestinationPort),
        IcmpKind.EchoRequest => ((ushort)0, transport.EchoId),
        IcmpKind.EchoReply => (transport.EchoId, (ushort)0),
        _ => ((ushort)0, (ushort)0),
    };
}
