using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>Neighbour solicitation and advertisement (RFC 4861 sections 4.3 and 4.4) with their link-layer address option.</summary>
public readonly ref struct NeighborMessage
{
    public const byte RouterSolicitation = 133;
    public const byte RouterAdvertisement = 134;
    public const byte Solicitation = 135;
    public const byte Advertisement = 136;
    public const byte Redirect = 137;

    /// <summary>Bytes of a message with one link-layer address option.</summary>
    public const int Length = 32;

    /// <summary>Flags of an advertisement: a router, which answers for itself, a station that asked it (RFC 4861 section 4.4).</summary>
    public const byte SolicitedOverrideRouter = 0xE0;

    /// <summary>It answers for somebody else, whose own word goes before (RFC 4861 section 7.2.8).</summary>
    public const byte SolicitedRouter = 0xC0;

    /// <summary>It tells everybody, since who asked has no address yet (RFC 4861 section 7.2.4).</summary>
    public const byte OverrideRouter = 0xA0;

    /// <summary>RFC 4861 section 7.1: messages that a router passed on are not believed.</summary>
    public const byte HopLimit = 255;

    private const int ChecksumOffset = 2;
    private const int FlagsOffset = 4;
    private const int TargetOffset = 8;
    private const int OptionsOffset = 24;
    private const byte SourceOption = 1;
    private const byte TargetOption = 2;
    private const byte SolicitedFlag = 0x40;
    private readonly ReadOnlySpan<byte> _bytes;

    private NeighborMessage(ReadOnlySpan<byte> bytes, MacAddress linkLayer)
    {
        _bytes = bytes;
        LinkLayer = linkLayer;
    }

    public byte Type => _bytes[0];

    public IpAddress Target => IpAddress.FromBytes(_bytes.Slice(TargetOffset, IpAddress.Length));

    /// <summary>Of an advertisement: it answers a solicitation (RFC 4861 section 4.4).</summary>
    public bool IsSolicited => (_bytes[FlagsOffset] & SolicitedFlag) != 0;

    /// <summary>From the option; zero when there is none.</summary>
    public MacAddress LinkLayer { get; }

    /// <summary>The group that listens for solicitations of an address (RFC 4291 section 2.7.1).</summary>
    public static IpAddress SolicitedNode(IpAddress target) => new(0xFF02_0000_0000_0000, 0x0000_0001_FF00_0000 | target.Low & 0xFF_FFFF);

    /// <param name="message">The ICMPv6 message; type 135 or 136.</param>
    public static bool TryParse(ReadOnlySpan<byte> message, out NeighborMessage neighbor)
    {
        neighbor = default;
        if (message.Length < OptionsOffset || message[1] != 0)
        {
            return false;
        }

        // RFC 4861 sections 7.1.1 and 7.1.2: nobody is a neighbour by a group's address.
        if (IpAddress.FromBytes(message.Slice(TargetOffset, IpAddress.Length)).IsMulticast)
        {
            return false;
        }

        MacAddress linkLayer = default;
        ReadOnlySpan<byte> options = message[OptionsOffset..];
        while (options.Length > 0)
        {
            // RFC 4861 section 4.6: lengths count 8 bytes, and 0 makes the whole message invalid.
            if (options.Length < 8 || options[1] == 0 || options[1] * 8 > options.Length)
            {
                return false;
            }

            if (options[0] is SourceOption or TargetOption)
            {
                linkLayer = MacAddress.FromBytes(options.Slice(2, MacAddress.Length));
            }

            options = options[(options[1] * 8)..];
        }

        neighbor = new NeighborMessage(message, linkLayer);
        return true;
    }

    /// <summary>Writes an IPv6 packet of 72 bytes with a solicitation or an advertisement, checksum included.</summary>
    /// <param name="packet">At least 72 bytes, from the IPv6 header on.</param>
    /// <param name="type"><see cref="Solicitation"/> or <see cref="Advertisement"/>.</param>
    /// <param name="flags">Of an advertisement; a solicitation has none.</param>
    public static int Write(
        Span<byte> packet, byte type, IpAddress source, IpAddress destination, IpAddress target, MacAddress linkLayer, byte flags = SolicitedOverrideRouter)
    {
        packet[..(IpHeader.Ipv6Length + Length)].Clear();
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], Length);
        packet[6] = (byte)IpProtocol.Icmpv6;
        packet[7] = HopLimit;
        source.WriteTo(packet.Slice(8, IpAddress.Length));
        destination.WriteTo(packet.Slice(24, IpAddress.Length));
        Span<byte> message = packet.Slice(IpHeader.Ipv6Length, Length);
        message[0] = type;
        message[FlagsOffset] = type == Advertisement ? flags : (byte)0;
        target.WriteTo(message.Slice(TargetOffset, IpAddress.Length));
        message[OptionsOffset] = type == Advertisement ? TargetOption : SourceOption;
        message[OptionsOffset + 1] = 1;
        linkLayer.WriteTo(message.Slice(OptionsOffset + 2, MacAddress.Length));
        BinaryPrimitives.WriteUInt16BigEndian(
            message[ChecksumOffset..], InternetChecksum.ComputeTransport(source, destination, IpProtocol.Icmpv6, message));
        return IpHeader.Ipv6Length + Length;
    }
}
