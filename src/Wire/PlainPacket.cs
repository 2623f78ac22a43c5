using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// What there is to know of the plainest kind of packet, read in one go: a whole TCP segment in the middle of its flow or a UDP datagram, behind
/// an IP header without options or extension headers. Its checks are those of <see cref="IpHeader"/> and <see cref="TransportHeader"/> for this kind.
/// </summary>
public record struct PlainPacket
{
    private const byte Ipv4WithoutOptions = 0x45;
    private const int Ipv4TotalLengthOffset = 2;
    private const int Ipv4FragmentOffset = 6;
    private const int Ipv4TtlOffset = 8;
    private const int Ipv4ProtocolOffset = 9;
    private const int Ipv4ChecksumOffset = 10;
    private const int Ipv4SourceOffset = 12;
    private const int Ipv4DestinationOffset = 16;
    private const int Ipv6PayloadLengthOffset = 4;
    private const int Ipv6NextHeaderOffset = 6;
    private const int Ipv6HopLimitOffset = 7;
    private const int Ipv6SourceOffset = 8;
    private const int Ipv6DestinationOffset = 24;
    private const int DestinationPortOffset = 2;
    private const int TcpDataOffset = 12;
    private const int TcpFlagsOffset = 13;
    private const int TcpLength = 20;
    private const int TcpChecksumOffset = 16;
    private const int UdpLengthOffset = 4;
    private const int UdpLength = 8;
    private const int UdpChecksumOffset = 6;

    /// <summary>More-fragments flag and fragment offset (RFC 791 section 3.1); don't-fragment may be set.</summary>
    private const ushort FragmentMask = 0x3FFF;

    /// <summary>One hop less in the word of TTL and protocol, as a change of the one's complement sum (RFC 1624): ~old + old - 0x100.</summary>
    private static readonly ChecksumDelta s_hop = new(0xFFFF - 0x100);

    public FlowKey Key;

    /// <summary>Bytes of the datagram, padding behind it not counted.</summary>
    public int Length;

    /// <summary>From the IP header to the transport.</summary>
    public int TransportOffset;

    /// <summary>Bytes of the transport header with TCP's options.</summary>
    public int TransportHeaderLength;

    public TcpFlags TcpFlags;

    /// <summary>TTL or hop limit.</summary>
    public byte HopLimit;

    /// <summary>False for any other kind of packet, and for one with a fault.</summary>
    /// <param name="datagram">From the IP header on; may be longer than the datagram (Ethernet padding).</param>
    /// <param name="packet">Written when true.</param>
    public static bool TryParse(ReadOnlySpan<byte> datagram, EtherType type, ref PlainPacket packet) => type switch
    {
        EtherType.Ipv4 => TryParseIpv4(datagram, ref packet),
        EtherType.Ipv6 => TryParseIpv6(datagram, ref packet),
        _ => false,
    };

    /// <summary>Makes the packet another flow's, as a row of rewrites would whose changes of the sums are given together.</summary>
    /// <param name="datagram">The bytes that were parsed.</param>
    /// <param name="isPartial">The transport checksum holds the pseudo-header's sum alone (virtio NEEDS_CSUM).</param>
    public readonly void Rewrite(Span<byte> datagram, IpAddress source, IpAddress destination, ushort sourcePort, ushort destinationPort, ChecksumDelta addresses, ChecksumDelta ports, bool isPartial)
    {
        Span<byte> transport = datagram[TransportOffset..];
        if (TransportOffset == IpHeader.Ipv4Length)
        {
            BinaryPrimitives.WriteUInt32BigEndian(datagram[Ipv4SourceOffset..], source.ToIpv4());
            BinaryPrimitives.WriteUInt32BigEndian(datagram[Ipv4DestinationOffset..], destination.ToIpv4());
            Repair(datagram[Ipv4ChecksumOffset..], addresses);
        }
        else
        {
            source.WriteTo(datagram.Slice(Ipv6SourceOffset, IpAddress.Length));
            destination.WriteTo(datagram.Slice(Ipv6DestinationOffset, IpAddress.Length));
        }

        BinaryPrimitives.WriteUInt16BigEndian(transport, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[DestinationPortOffset..], destinationPort);
        bool isUdp = Key.Protocol == IpProtocol.Udp;
        Span<byte> field = transport[(isUdp ? UdpChecksumOffset : TcpChecksumOffset)..];
        ushort old = BinaryPrimitives.ReadUInt16BigEndian(field);
        if (isPartial)
        {
            BinaryPrimitives.WriteUInt16BigEndian(field, addresses.ApplyToPartial(old));
        }
        else if (!isUdp || old != 0)
        {
            ushort repaired = (addresses + ports).ApplyTo(old);
            BinaryPrimitives.WriteUInt16BigEndian(field, isUdp && repaired == 0 ? (ushort)0xFFFF : repaired);
        }
    }

    /// <summary>Takes one hop off.</summary>
    public readonly void DecrementHopLimit(Span<byte> datagram)
    {
        if (TransportOffset == IpHeader.Ipv4Length)
        {
            datagram[Ipv4TtlOffset] = (byte)(HopLimit - 1);
            Repair(datagram[Ipv4ChecksumOffset..], s_hop);
        }
        else
        {
            datagram[Ipv6HopLimitOffset] = (byte)(HopLimit - 1);
        }
    }

    private static void Repair(Span<byte> field, ChecksumDelta delta) =>
        BinaryPrimitives.WriteUInt16BigEndian(field, delta.ApplyTo(BinaryPrimitives.ReadUInt16BigEndian(field)));

    private static bool TryParseIpv4(ReadOnlySpan<byte> datagram, ref PlainPacket packet)
    {
        if (datagram.Length < IpHeader.Ipv4Length || datagram[0] != Ipv4WithoutOptions
            || (BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv4FragmentOffset..]) & FragmentMask) != 0)
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv4TotalLengthOffset..]);
        if (length < IpHeader.Ipv4Length || length > datagram.Length || InternetChecksum.Sum(datagram[..IpHeader.Ipv4Length]) != 0xFFFF)
        {
            return false;
        }

        packet.HopLimit = datagram[Ipv4TtlOffset];
        return TryParseTransport(
            datagram[IpHeader.Ipv4Length..length],
            IpHeader.Ipv4Length,
            (IpProtocol)datagram[Ipv4ProtocolOffset],
            IpAddress.FromIpv4(BinaryPrimitives.ReadUInt32BigEndian(datagram[Ipv4SourceOffset..])),
            IpAddress.FromIpv4(BinaryPrimitives.ReadUInt32BigEndian(datagram[Ipv4DestinationOffset..])),
            ref packet);
    }

    private static bool TryParseIpv6(ReadOnlySpan<byte> datagram, ref PlainPacket packet)
    {
        if (datagram.Length < IpHeader.Ipv6Length || datagram[0] >> 4 != 6)
        {
            return false;
        }

        int length = IpHeader.Ipv6Length + BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv6PayloadLengthOffset..]);
        IpAddress source = IpAddress.FromBytes(datagram.Slice(Ipv6SourceOffset, IpAddress.Length));
        IpAddress destination = IpAddress.FromBytes(datagram.Slice(Ipv6DestinationOffset, IpAddress.Length));
        if (length > datagram.Length || source.IsIpv4 || destination.IsIpv4)
        {
            return false;
        }

        packet.HopLimit = datagram[Ipv6HopLimitOffset];
        return TryParseTransport(
            datagram[IpHeader.Ipv6Length..length], IpHeader.Ipv6Length, (IpProtocol)datagram[Ipv6NextHeaderOffset], source, destination, ref packet);
    }

    private static bool TryParseTransport(
        ReadOnlySpan<byte> segment, int offset, IpProtocol protocol, IpAddress source, IpAddress destination, ref PlainPacket packet)
    {
        if (protocol == IpProtocol.Tcp && segment.Length >= TcpLength)
        {
            packet.TransportHeaderLength = (segment[TcpDataOffset] >> 4) * 4;
            packet.TcpFlags = (TcpFlags)segment[TcpFlagsOffset];
            if (packet.TransportHeaderLength < TcpLength || packet.TransportHeaderLength > segment.Length
                || (packet.TcpFlags & (TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst)) != 0)
            {
                return false;
            }
        }
        else if (protocol == IpProtocol.Udp && segment.Length >= UdpLength)
        {
            packet.TransportHeaderLength = UdpLength;
            packet.TcpFlags = TcpFlags.None;
            int length = BinaryPrimitives.ReadUInt16BigEndian(segment[UdpLengthOffset..]);
            if (length < UdpLength || length > segment.Length)
            {
                return false;
            }
        }
        else
        {
            return false;
        }

        packet.Key = new FlowKey(
            source, destination, BinaryPrimitives.ReadUInt16BigEndian(segment), BinaryPrimitives.ReadUInt16BigEndian(segment[DestinationPortOffset..]), protocol);
        packet.Length = offset + segment.Length;
        packet.TransportOffset = offset;
        return true;
    }
}
