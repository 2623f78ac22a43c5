using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// What the datapath reads and rewrites of a transport, whichever it is: ports (or the id of an ICMP echo) and the checksum.
/// TCP RFC 9293, UDP RFC 768, SCTP RFC 9260, ICMP RFC 792, ICMPv6 RFC 4443.
/// </summary>
public readonly ref struct TransportHeader
{
    internal const int UdpDestinationOffset = 2;
    private const int DestinationPortOffset = 2;
    private const int EchoIdOffset = 4;
    internal const int TcpDataOffset = 12;
    internal const int TcpFlagsOffset = 13;
    internal const int TcpChecksumOffset = 16;
    internal const int UdpLengthOffset = 4;
    internal const int UdpChecksumOffset = 6;
    internal const int IcmpChecksumOffset = 2;
    /// <summary>Bytes of a TCP header without options.</summary>
    public const int TcpLength = 20;

    internal const int UdpLength = 8;
    private const int SctpLength = 12;

    /// <summary>Bytes of an ICMP header; the packet that an error quotes begins behind it.</summary>
    public const int IcmpLength = 8;

    private readonly Span<byte> _bytes;
    private readonly int _checksumOffset;

    private TransportHeader(Span<byte> bytes, IpProtocol protocol, int checksumOffset)
    {
        _bytes = bytes;
        Protocol = protocol;
        _checksumOffset = checksumOffset;
    }

    public IpProtocol Protocol { get; }

    public bool IsIcmp => Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;

    /// <summary>False for SCTP, whose CRC covers no pseudo-header, and for quoted packets cut before the field.</summary>
    public bool HasChecksum => _checksumOffset >= 0;

    /// <summary>Bytes before the payload, TCP's options included. Not for quoted headers, which may be cut before they say.</summary>
    public int HeaderLength => Protocol == IpProtocol.Tcp ? (_bytes[TcpDataOffset] >> 4) * 4 : LengthOf(Protocol);

    public ushort SourcePort
    {
        get => BinaryPrimitives.ReadUInt16BigEndian(_bytes);
        set => BinaryPrimitives.WriteUInt16BigEndian(_bytes, value);
    }

    public ushort DestinationPort
    {
        get => BinaryPrimitives.ReadUInt16BigEndian(_bytes[DestinationPortOffset..]);
        set => BinaryPrimitives.WriteUInt16BigEndian(_bytes[DestinationPortOffset..], value);
    }

    /// <summary>Identifier of an ICMP echo; meaningful when <see cref="IcmpKind"/> is an echo.</summary>
    public ushort EchoId
    {
        get => BinaryPrimitives.ReadUInt16BigEndian(_bytes[EchoIdOffset..]);
        set => BinaryPrimitives.WriteUInt16BigEndian(_bytes[EchoIdOffset..], value);
    }

    public ushort Checksum
    {
        get => BinaryPrimitives.ReadUInt16BigEndian(_bytes[_checksumOffset..]);
        set => BinaryPrimitives.WriteUInt16BigEndian(_bytes[_checksumOffset..], value);
    }

    public TcpFlags Flags => (TcpFlags)_bytes[TcpFlagsOffset];

    public byte IcmpType => _bytes[0];

    public byte IcmpCode => _bytes[1];

    public IcmpKind IcmpKind => Protocol == IpProtocol.Icmp
        ? IcmpType switch
        {
            8 => IcmpKind.EchoRequest,
            0 => IcmpKind.EchoReply,
            3 or 11 or 12 => IcmpKind.Error,
            _ => IcmpKind.Other,
        }
        : IcmpType switch
        {
            128 => IcmpKind.EchoRequest,
            129 => IcmpKind.EchoReply,
            1 or 2 or 3 or 4 => IcmpKind.Error,
            >= 133 and <= 137 => IcmpKind.NeighborDiscovery,
            _ => IcmpKind.Other,
        };

    public static bool IsKnown(IpProtocol protocol) =>
        protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Icmp or IpProtocol.Icmpv6 or IpProtocol.Sctp;

    /// <summary>Checks the lengths of the header, the data offset of TCP and the length field of UDP.</summary>
    /// <param name="segment">From the transport header to the end of the datagram.</param>
    /// <param name="protocol">One of those for which <see cref="IsKnown"/> holds.</param>
    /// <param name="fragment">The first fragment: the rest of the segment comes later.</param>
    public static bool TryParse(Span<byte> segment, IpProtocol protocol, bool fragment, out TransportHeader header)
    {
        header = default;
        int checksumOffset = ChecksumOffsetOf(protocol);
        int length = LengthOf(protocol);
        if (segment.Length < length)
        {
            return false;
        }

        if (protocol == IpProtocol.Tcp)
        {
            int dataOffset = (segment[TcpDataOffset] >> 4) * 4;
            if (dataOffset < TcpLength || dataOffset > segment.Length)
            {
                return false;
            }
        }
        else if (protocol == IpProtocol.Udp && !fragment)
        {
            int udpLength = BinaryPrimitives.ReadUInt16BigEndian(segment[UdpLengthOffset..]);
            if (udpLength < UdpLength || udpLength > segment.Length)
            {
                return false;
            }
        }

        header = new TransportHeader(segment, protocol, checksumOffset);
        return true;
    }

    /// <summary>The first eight bytes of a transport that an ICMP error quotes, or more; the checksum is used when it is there.</summary>
    public static bool TryParseQuoted(Span<byte> segment, IpProtocol protocol, out TransportHeader header)
    {
        header = default;
        if (segment.Length < 8 || !IsKnown(protocol))
        {
            return false;
        }

        int checksumOffset = ChecksumOffsetOf(protocol);
        header = new TransportHeader(segment, protocol, checksumOffset + 2 <= segment.Length ? checksumOffset : -1);
        return true;
    }

    private static int ChecksumOffsetOf(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => TcpChecksumOffset,
        IpProtocol.Udp => UdpChecksumOffset,
        IpProtocol.Sctp => -1,
        _ => IcmpChecksumOffset,
    };

    private static int LengthOf(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => TcpLength,
        IpProtocol.Udp => UdpLength,
        IpProtocol.Sctp => SctpLength,
        _ => IcmpLength,
    };
}
