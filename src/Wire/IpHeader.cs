using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// An IP header of either family with all it is followed by up to the transport: IPv4 options (RFC 791) or IPv6 extension headers
/// (RFC 8200 section 4). After <see cref="Parse"/> no accessor can fail.
/// </summary>
public readonly ref struct IpHeader
{
    /// <summary>Bytes of an IPv4 header without options.</summary>
    public const int Ipv4Length = 20;

    /// <summary>Bytes of the fixed IPv6 header.</summary>
    public const int Ipv6Length = 40;

    internal const int Ipv4TotalLengthOffset = 2;
    internal const int Ipv4IdOffset = 4;
    internal const int Ipv4FragmentOffset = 6;
    internal const int Ipv4TtlOffset = 8;
    internal const int Ipv4ProtocolOffset = 9;
    internal const int Ipv4ChecksumOffset = 10;
    internal const int Ipv4SourceOffset = 12;
    internal const int Ipv4DestinationOffset = 16;
    internal const int Ipv6PayloadLengthOffset = 4;
    internal const int Ipv6NextHeaderOffset = 6;
    internal const int Ipv6HopLimitOffset = 7;
    internal const int Ipv6SourceOffset = 8;
    internal const int Ipv6DestinationOffset = 24;
    private const int Ipv6FragmentHeaderLength = 8;
    private const int RoutingTypeOffset = 2;
    private const int SegmentsLeftOffset = 3;
    private const ushort Ipv4MoreFragments = 0x2000;
    private const ushort Ipv4OffsetMask = 0x1FFF;

    /// <summary>More extension headers than any honest sender uses; bounds the walk.</summary>
    private const int MaxExtensionHeaders = 8;

    private readonly Span<byte> _bytes;

    private IpHeader(Span<byte> bytes, bool isIpv4, int length, int totalLength, IpProtocol protocol)
    {
        _bytes = bytes;
        IsIpv4 = isIpv4;
        HeaderLength = length;
        TotalLength = totalLength;
        Protocol = protocol;
    }

    public bool IsIpv4 { get; }

    /// <summary>Bytes up to the transport header, options and extension headers included.</summary>
    public int HeaderLength { get; }

    /// <summary>Bytes of the datagram as its header says.</summary>
    public int TotalLength { get; }

    /// <summary>The transport; behind all extension headers.</summary>
    public IpProtocol Protocol { get; }

    /// <summary>Where in the original datagram this fragment's payload lies, in bytes; 0 for a whole datagram.</summary>
    public int FragmentOffset { get; private init; }

    public bool HasMoreFragments { get; private init; }

    /// <summary>Identification: 16 bits for IPv4, 32 for an IPv6 fragment.</summary>
    public uint FragmentId { get; private init; }

    public bool IsFragment => FragmentOffset != 0 || HasMoreFragments;

    public IpAddress Source
    {
        get => IpAddress.FromBytes(IsIpv4 ? _bytes.Slice(Ipv4SourceOffset, 4) : _bytes.Slice(Ipv6SourceOffset, IpAddress.Length));
        set => value.WriteTo(IsIpv4 ? _bytes.Slice(Ipv4SourceOffset, 4) : _bytes.Slice(Ipv6SourceOffset, IpAddress.Length));
    }

    public IpAddress Destination
    {
        get => IpAddress.FromBytes(IsIpv4 ? _bytes.Slice(Ipv4DestinationOffset, 4) : _bytes.Slice(Ipv6DestinationOffset, IpAddress.Length));
        set => value.WriteTo(IsIpv4 ? _bytes.Slice(Ipv4DestinationOffset, 4) : _bytes.Slice(Ipv6DestinationOffset, IpAddress.Length));
    }

    /// <summary>The sender forbids routers to fragment: DF of IPv4 (RFC 791 section 3.1), and IPv6 always (RFC 8200 section 4.5).</summary>
    public bool IsDontFragment => !IsIpv4 || (_bytes[Ipv4FragmentOffset] & 0x40) != 0;

    /// <summary>Type of service or traffic class.</summary>
    public byte TrafficClass
    {
        get => IsIpv4 ? _bytes[1] : (byte)(BinaryPrimitives.ReadUInt16BigEndian(_bytes) >> 4);
        set
        {
            ushort old = BinaryPrimitives.ReadUInt16BigEndian(_bytes);
            ushort changed = IsIpv4 ? (ushort)((old & 0xFF00) | value) : (ushort)((old & 0xF00F) | value << 4);
            BinaryPrimitives.WriteUInt16BigEndian(_bytes, changed);
            if (IsIpv4)
            {
                Checksum = ChecksumDelta.Between(old, changed).ApplyTo(Checksum);
            }
        }
    }

    /// <summary>The same of a header that was not parsed; of what is none, any.</summary>
    public static byte TrafficClassOf(ReadOnlySpan<byte> datagram) => datagram.Length < 2
        ? (byte)0
        : datagram[0] >> 4 == 4 ? datagram[1] : (byte)(BinaryPrimitives.ReadUInt16BigEndian(datagram) >> 4);

    /// <summary>TTL or hop limit.</summary>
    public byte HopLimit => _bytes[IsIpv4 ? Ipv4TtlOffset : Ipv6HopLimitOffset];

    /// <summary>IPv4's header checksum; IPv6 has none.</summary>
    public ushort Checksum
    {
        get => BinaryPrimitives.ReadUInt16BigEndian(_bytes[Ipv4ChecksumOffset..]);
        set => BinaryPrimitives.WriteUInt16BigEndian(_bytes[Ipv4ChecksumOffset..], value);
    }

    /// <summary>RFC 1812 section 5.2.2: a router verifies the header checksum of IPv4.</summary>
    public bool HasValidChecksum => !IsIpv4 || InternetChecksum.Sum(_bytes[..HeaderLength]) == 0xFFFF;

    /// <summary>Checks versions and lengths.</summary>
    /// <param name="datagram">From the IP header on; may be longer than the datagram (Ethernet padding).</param>
    /// <param name="quoted">True for the packet inside an ICMP error, which may be cut behind its headers.</param>
    public static IpParseResult Parse(Span<byte> datagram, bool quoted, out IpHeader header)
    {
        header = default;
        if (datagram.Length < Ipv4Length)
        {
            return IpParseResult.Malformed;
        }

        return (datagram[0] >> 4) switch
        {
            4 => ParseIpv4(datagram, quoted, out header),
            6 => ParseIpv6(datagram, quoted, out header),
            _ => IpParseResult.Malformed,
        };
    }

    /// <summary>Takes one hop off and repairs the header checksum (RFC 1624).</summary>
    public void DecrementHopLimit()
    {
        if (!IsIpv4)
        {
            _bytes[Ipv6HopLimitOffset]--;
            return;
        }

        ushort old = BinaryPrimitives.ReadUInt16BigEndian(_bytes[Ipv4TtlOffset..]);
        _bytes[Ipv4TtlOffset]--;
        Checksum = ChecksumDelta.Between(old, BinaryPrimitives.ReadUInt16BigEndian(_bytes[Ipv4TtlOffset..])).ApplyTo(Checksum);
    }

    private static IpParseResult ParseIpv4(Span<byte> datagram, bool quoted, out IpHeader header)
    {
        header = default;
        int length = (datagram[0] & 0x0F) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv4TotalLengthOffset..]);
        if (length < Ipv4Length || length > datagram.Length || total < length || (!quoted && total > datagram.Length))
        {
            return IpParseResult.Malformed;
        }

        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv4FragmentOffset..]);
        header = new IpHeader(datagram[..Math.Min(total, datagram.Length)], true, length, total, (IpProtocol)datagram[Ipv4ProtocolOffset])
        {
            FragmentOffset = (fragment & Ipv4OffsetMask) * 8,
            HasMoreFragments = (fragment & Ipv4MoreFragments) != 0,
            FragmentId = BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv4IdOffset..]),
        };
        return IpParseResult.Valid;
    }

    private static IpParseResult ParseIpv6(Span<byte> datagram, bool quoted, out IpHeader header)
    {
        header = default;
        if (datagram.Length < Ipv6Length)
        {
            return IpParseResult.Malformed;
        }

        int total = Ipv6Length + BinaryPrimitives.ReadUInt16BigEndian(datagram[Ipv6PayloadLengthOffset..]);
        if (!quoted && total > datagram.Length)
        {
            return IpParseResult.Malformed;
        }

        Span<byte> bytes = datagram[..Math.Min(total, datagram.Length)];

        // The mapped form is how this program holds IPv4 (RFC 4291 section 2.5.5.2): on the wire it would pass for an address of IPv4.
        if (IsMapped(bytes[Ipv6SourceOffset..]) || IsMapped(bytes[Ipv6DestinationOffset..]))
        {
            return IpParseResult.Malformed;
        }

        var next = (IpProtocol)bytes[Ipv6NextHeaderOffset];
        int length = Ipv6Length;
        if (!TryWalk(bytes, ref next, ref length, out ushort fragment, out uint id))
        {
            return IpParseResult.BadExtensionHeader;
        }

        header = new IpHeader(bytes, false, length, total, next)
        {
            FragmentOffset = fragment & ~7,
            HasMoreFragments = (fragment & 1) != 0,
            FragmentId = id,
        };
        return IpParseResult.Valid;
    }

    /// <summary>Over the extension headers to the transport, or to the payload of a later fragment, which has no headers of its own.</summary>
    private static bool TryWalk(ReadOnlySpan<byte> bytes, ref IpProtocol next, ref int length, out ushort fragment, out uint id)
    {
        fragment = 0;
        id = 0;
        for (int i = 0; IsExtension(next) && fragment >> 3 == 0; i++)
        {
            if (i == MaxExtensionHeaders || length + Ipv6FragmentHeaderLength > bytes.Length || (next == IpProtocol.HopByHop && i > 0))
            {
                return false;
            }

            ReadOnlySpan<byte> extension = bytes[length..];
            if (IsSourceRoute(next, extension) || (next == IpProtocol.Authentication && extension[1] == 0))
            {
                return false;
            }

            bool isFragment = next == IpProtocol.Fragment;
            if (isFragment)
            {
                fragment = BinaryPrimitives.ReadUInt16BigEndian(extension[2..]);
                id = BinaryPrimitives.ReadUInt32BigEndian(extension[4..]);
            }

            length += isFragment ? Ipv6FragmentHeaderLength : ExtensionLength(next, extension);
            next = (IpProtocol)extension[0];
            if (length > bytes.Length)
            {
                return false;
            }
        }

        // RFC 8200 section 4.7: what carries nothing is of no flow.
        return next != IpProtocol.NoNext || fragment >> 3 != 0;
    }

    private static bool IsMapped(ReadOnlySpan<byte> address) => IpAddress.FromBytes(address[..IpAddress.Length]).IsIpv4;

    private static bool IsExtension(IpProtocol next) =>
        next is IpProtocol.HopByHop or IpProtocol.Routing or IpProtocol.Fragment or IpProtocol.DestinationOptions or IpProtocol.Authentication;

    /// <summary>
    /// RFC 8200 section 4.2: counted in 8 bytes beyond the first 8; of an authentication header, which has 12 at least, in 4 bytes (RFC 4302 section 2.2).
    /// </summary>
    private static int ExtensionLength(IpProtocol next, ReadOnlySpan<byte> extension) =>
        8 + extension[1] * (next == IpProtocol.Authentication ? 4 : 8);

    /// <summary>RFC 5095: a source route of type 0 that is not at its end yet would have the packet go where nobody has looked.</summary>
    private static bool IsSourceRoute(IpProtocol next, ReadOnlySpan<byte> extension) =>
        next == IpProtocol.Routing && extension[RoutingTypeOffset] == 0 && extension[SegmentsLeftOffset] != 0;
}
