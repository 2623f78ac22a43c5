using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The only place that translates a packet: gives it another flow's addresses and ports and repairs every checksum incrementally
/// (RFC 1624), complete or partial, in the packet itself and, for an ICMP error, in the packet that it quotes.
/// </summary>
public static class HeaderRewrite
{
    /// <summary>Makes the packet one of the flow <paramref name="target"/>, whose protocol and family are the packet's.</summary>
    /// <returns>False when it cannot be done: SCTP's CRC does not allow other ports without reading the whole packet.</returns>
    public static bool Translate(ref PacketContext p, in FlowKey target)
    {
        FlowKey key = p.Key;
        if (key == target)
        {
            return true;
        }

        if (key.Protocol == IpProtocol.Sctp && (key.SourcePort != target.SourcePort || key.DestinationPort != target.DestinationPort))
        {
            return false;
        }

        // Parse has accepted these bytes; reading them again cannot fail.
        IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip);
        if (p.IsIcmpError)
        {
            TranslateError(ref p, ip, key, target);
        }
        else
        {
            ChecksumDelta addresses = SetAddresses(ip, key, target);
            p.AddressDelta += addresses;
            if (p.HasTransport && TransportHeader.TryParse(p.Datagram[p.TransportOffset..], key.Protocol, fragment: true, out TransportHeader transport))
            {
                ChecksumDelta ports = SetPorts(transport, key, target);
                p.PortDelta += ports;
                SetTransport(transport, key.Protocol, ports, addresses, IsPartial(p));
            }
        }

        p.Key = target with { Scope = FlowScope.Flow };
        return true;
    }

    /// <summary>The outer packet follows the flow; the quoted one, which ran the other way, follows it reversed.</summary>
    private static void TranslateError(ref PacketContext p, IpHeader outer, in FlowKey key, in FlowKey target)
    {
        Span<byte> message = p.Datagram[p.TransportOffset..];
        Span<byte> quotedBytes = message[TransportHeader.IcmpLength..];
        IpHeader.Parse(quotedBytes, quoted: true, out IpHeader quoted);
        TransportHeader.TryParse(message, outer.Protocol, fragment: true, out TransportHeader icmp);
        FlowKey quotedKey = key.Reversed;
        FlowKey quotedTarget = target.Reversed;

        // A router on the way keeps its own address; only the flow's own server is shown under its frontend's.
        FlowKey outerKey = key with { Source = outer.Source };
        FlowKey outerTarget = target with { Source = outer.Source == key.Source ? target.Source : outer.Source };
        ChecksumDelta outerAddresses = SetAddresses(outer, outerKey, outerTarget);

        ChecksumDelta quotedAddresses = SetAddresses(quoted, quotedKey, quotedTarget);

        // Behind a repaired header checksum an IPv4 header sums to what it did before; IPv6 has none that would balance it.
        ChecksumDelta message16 = outer.IsIpv4 ? default : quotedAddresses;
        if (quoted.FragmentOffset == 0 && TransportHeader.TryParseQuoted(quotedBytes[quoted.HeaderLength..], key.Protocol, out TransportHeader transport))
        {
            message16 += SetTransport(transport, key.Protocol, SetPorts(transport, quotedKey, quotedTarget), quotedAddresses, partial: false);
        }

        if (IsPartial(p))
        {
            icmp.Checksum = outerAddresses.ApplyToPartial(icmp.Checksum);
            return;
        }

        // ICMPv6 alone has a pseudo-header (RFC 4443 section 2.3).
        icmp.Checksum = (outer.IsIpv4 ? message16 : message16 + outerAddresses).ApplyTo(icmp.Checksum);
    }

    private static ChecksumDelta SetAddresses(IpHeader ip, in FlowKey key, in FlowKey target)
    {
        ChecksumDelta delta = default;
        if (key.Source != target.Source)
        {
            ip.Source = target.Source;
            delta += ChecksumDelta.Between(key.Source, target.Source);
        }

        if (key.Destination != target.Destination)
        {
            ip.Destination = target.Destination;
            delta += ChecksumDelta.Between(key.Destination, target.Destination);
        }

        if (ip.IsIpv4)
        {
            ip.Checksum = delta.ApplyTo(ip.Checksum);
        }

        return delta;
    }

    /// <returns>By how much the sum of the transport's own bytes changed.</returns>
    private static ChecksumDelta SetTransport(TransportHeader transport, IpProtocol protocol, ChecksumDelta ports, ChecksumDelta addresses, bool partial)
    {
        if (!transport.HasChecksum)
        {
            return ports;
        }

        ushort old = transport.Checksum;
        if (protocol == IpProtocol.Udp && old == 0 && !partial)
        {
            return ports; // RFC 768: the sender chose to send none.
        }

        if (partial)
        {
            transport.Checksum = addresses.ApplyToPartial(old);
            return default;
        }

        ushort repaired = (protocol == IpProtocol.Icmp ? ports : ports + addresses).ApplyTo(old);
        transport.Checksum = protocol == IpProtocol.Udp && repaired == 0 ? (ushort)0xFFFF : repaired;
        return ports + ChecksumDelta.Between(old, transport.Checksum);
    }

    private static ChecksumDelta SetPorts(TransportHeader transport, in FlowKey key, in FlowKey target)
    {
        ChecksumDelta delta = default;
        if (transport.IsIcmp)
        {
            // An echo's id stands on one side of the key, 0 on the other.
            ushort id = (ushort)(target.SourcePort | target.DestinationPort);
            if (transport.IcmpKind is IcmpKind.EchoRequest or IcmpKind.EchoReply && transport.EchoId != id)
            {
                delta = ChecksumDelta.Between(transport.EchoId, id);
                transport.EchoId = id;
            }

            return delta;
        }

        if (key.SourcePort != target.SourcePort)
        {
            transport.SourcePort = target.SourcePort;
            delta += ChecksumDelta.Between(key.SourcePort, target.SourcePort);
        }

        if (key.DestinationPort != target.DestinationPort)
        {
            transport.DestinationPort = target.DestinationPort;
            delta += ChecksumDelta.Between(key.DestinationPort, target.DestinationPort);
        }

        return delta;
    }

    private static bool IsPartial(in PacketContext p) =>
        p.Offload.HasPartialChecksum && p.Offload.ChecksumStart == EthernetHeader.Length + p.TransportOffset;
}
