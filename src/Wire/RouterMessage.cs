using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// Router solicitation and advertisement (RFC 4861 sections 4.1 and 4.2): the question of a station whether there is a router on its link, and the
/// answer of one that says no more than that it is there.
/// </summary>
public static class RouterMessage
{
    /// <summary>Bytes of an advertisement with one link-layer address option.</summary>
    public const int AdvertisementLength = 24;

    private const int SolicitationLength = 8;
    private const int ChecksumOffset = 2;
    private const int OptionsOffset = 16;
    private const byte SourceOption = 1;

    /// <summary>All nodes on a link (RFC 4291 section 2.7.1).</summary>
    public static IpAddress AllNodes => new(0xFF02_0000_0000_0000, 1);

    /// <summary>The address that a station has on every link: fe80::/64 and the modified EUI-64 of its MAC address (RFC 4291 appendix A).</summary>
    public static IpAddress LinkLocalOf(MacAddress mac) =>
        new(0xFE80_0000_0000_0000, (mac.Value & 0xFFFF_FF00_0000) << 16 ^ 0x0200_0000_0000_0000 | 0xFF_FE00_0000 | mac.Value & 0xFF_FFFF);

    /// <summary>Whether a solicitation is one (RFC 4861 section 6.1.1); hop limit and checksum are the caller's to check.</summary>
    /// <param name="message">The ICMPv6 message; type 133.</param>
    /// <param name="isUnspecified">It comes from the unspecified address, whose owner has no link-layer address to name.</param>
    public static bool IsSolicitation(ReadOnlySpan<byte> message, bool isUnspecified)
    {
        if (message.Length < SolicitationLength || message[1] != 0)
        {
            return false;
        }

        for (ReadOnlySpan<byte> options = message[SolicitationLength..]; options.Length > 0; options = options[(options[1] * 8)..])
        {
            if (options.Length < 8 || options[1] == 0 || options[1] * 8 > options.Length || (isUnspecified && options[0] == SourceOption))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Writes an IPv6 packet of 64 bytes: a router that is nobody's default router (lifetime 0), leaves hop limits and timers alone and has no addresses
    /// to give, with its link-layer address. Checksum included.
    /// </summary>
    /// <param name="packet">At least 64 bytes, from the IPv6 header on.</param>
    public static int WriteAdvertisement(Span<byte> packet, IpAddress source, IpAddress destination, MacAddress linkLayer)
    {
        packet[..(IpHeader.Ipv6Length + AdvertisementLength)].Clear();
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], AdvertisementLength);
        packet[6] = (byte)IpProtocol.Icmpv6;
        packet[7] = NeighborMessage.HopLimit;
        source.WriteTo(packet.Slice(8, IpAddress.Length));
        destination.WriteTo(packet.Slice(24, IpAddress.Length));
        Span<byte> message = packet.Slice(IpHeader.Ipv6Length, AdvertisementLength);
        message[0] = NeighborMessage.RouterAdvertisement;
        message[OptionsOffset] = SourceOption;
        message[OptionsOffset + 1] = 1;
        linkLayer.WriteTo(message.Slice(OptionsOffset + 2, MacAddress.Length));
        BinaryPrimitives.WriteUInt16BigEndian(
            message[ChecksumOffset..], InternetChecksum.ComputeTransport(source, destination, IpProtocol.Icmpv6, message));
        return IpHeader.Ipv6Length + AdvertisementLength;
    }
}
