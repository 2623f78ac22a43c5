using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// The option by which a node that balances tells the node of a backend what the client asked for, so that it can answer in that name (Cilium's
/// dispatch "opt", bpf/lib/nodeport.h). It lies behind the fixed IP header; for IPv6 behind the hop-by-hop options, which must come first.
/// </summary>
/// <remarks>
/// IPv4: option 26 with the copied flag (0x9a), length 8, port, address. Cilium turns both round once too often, so that on the wire the low byte comes
/// first; who is to be understood by its nodes must do the same. IPv6: a destination options header (RFC 8200 section 4.6) of 24 bytes that has nothing
/// but option 0x1b, length 20: address, port, two bytes of zero, in network order.
/// </remarks>
public static class DsrOption
{
    /// <summary>Bytes of the IPv4 option.</summary>
    public const int Ipv4Length = 8;

    /// <summary>Bytes of the IPv6 header with its option.</summary>
    public const int Ipv6Length = 24;

    private const byte Ipv4Type = 0x9A;
    private const byte Ipv6Type = 0x1B;
    private const byte Ipv6OptionLength = Ipv6Length - 4;

    /// <summary>The header's own length field counts 8 bytes beyond the first 8.</summary>
    private const byte Ipv6HeaderUnits = (Ipv6Length - 8) / 8;

    private const int LongestIpv4Header = 60;
    private const int PortOffset = 2;
    private const int Ipv4AddressOffset = 4;
    private const int Ipv6TypeOffset = 2;
    private const int Ipv6AddressOffset = 4;
    private const int Ipv6PortOffset = 20;
    private const int Ipv6PaddingOffset = 22;

    public static int LengthOf(bool isIpv4) => isIpv4 ? Ipv4Length : Ipv6Length;

    /// <summary>The option of a datagram that <see cref="IpHeader"/> has accepted.</summary>
    /// <param name="headerLength">Bytes up to the transport.</param>
    /// <param name="port">Never 0 when true.</param>
    public static bool TryRead(ReadOnlySpan<byte> datagram, bool isIpv4, int headerLength, out IpAddress address, out ushort port)
    {
        address = default;
        port = 0;
        ReadOnlySpan<byte> header = datagram[..headerLength];
        if (isIpv4)
        {
            if (header.Length < IpHeader.Ipv4Length + Ipv4Length || header[IpHeader.Ipv4Length] != Ipv4Type || header[IpHeader.Ipv4Length + 1] != Ipv4Length)
            {
                return false;
            }

            ReadOnlySpan<byte> option = header[IpHeader.Ipv4Length..];
            port = BinaryPrimitives.ReadUInt16LittleEndian(option[PortOffset..]);
            address = IpAddress.FromIpv4(BinaryPrimitives.ReadUInt32LittleEndian(option[Ipv4AddressOffset..]));
            return port != 0;
        }

        var next = (IpProtocol)header[IpHeader.Ipv6NextHeaderOffset];
        for (int offset = IpHeader.Ipv6Length; next is IpProtocol.HopByHop or IpProtocol.Routing or IpProtocol.DestinationOptions; offset += 8 + (header[offset + 1] * 8))
        {
            ReadOnlySpan<byte> extension = header[offset..];
            if (next == IpProtocol.DestinationOptions && extension[1] == Ipv6HeaderUnits
                && extension[Ipv6TypeOffset] == Ipv6Type && extension[Ipv6TypeOffset + 1] == Ipv6OptionLength)
            {
                address = IpAddress.FromBytes(extension.Slice(Ipv6AddressOffset, IpAddress.Length));
                port = BinaryPrimitives.ReadUInt16BigEndian(extension[Ipv6PortOffset..]);
                return port != 0 && !address.IsIpv4;
            }

            next = (IpProtocol)extension[0];
        }

        return false;
    }

    /// <summary>Whether a header of so many bytes has room for it. IPv4's ends at 60.</summary>
    public static bool Fits(bool isIpv4, int headerLength) => !isIpv4 || headerLength + Ipv4Length <= LongestIpv4Header;

    /// <summary>Puts the option in: the datagram grows towards its front.</summary>
    /// <param name="room">As many bytes as the option has, which are overwritten, and behind them the datagram.</param>
    /// <param name="address">Of the datagram's family.</param>
    public static void Insert(Span<byte> room, IpAddress address, ushort port)
    {
        bool isIpv4 = address.IsIpv4;
        int length = LengthOf(isIpv4);
        Span<byte> datagram = room[length..];
        if (isIpv4)
        {
            datagram[..IpHeader.Ipv4Length].CopyTo(room);
            Span<byte> option = room.Slice(IpHeader.Ipv4Length, length);
            option[0] = Ipv4Type;
            option[1] = Ipv4Length;
            BinaryPrimitives.WriteUInt16LittleEndian(option[PortOffset..], port);
            BinaryPrimitives.WriteUInt32LittleEndian(option[Ipv4AddressOffset..], address.ToIpv4());
            room[0] += Ipv4Length / 4;
            Add(room[IpHeader.Ipv4TotalLengthOffset..], length);
            BinaryPrimitives.WriteUInt16BigEndian(room[IpHeader.Ipv4ChecksumOffset..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(room[IpHeader.Ipv4ChecksumOffset..], InternetChecksum.Compute(room[..((room[0] & 0x0F) * 4)]));
            return;
        }

        bool hasHopByHop = datagram[IpHeader.Ipv6NextHeaderOffset] == (byte)IpProtocol.HopByHop;
        int nextHeaderAt = hasHopByHop ? IpHeader.Ipv6Length : IpHeader.Ipv6NextHeaderOffset;
        int before = hasHopByHop ? IpHeader.Ipv6Length + 8 + (datagram[IpHeader.Ipv6Length + 1] * 8) : IpHeader.Ipv6Length;
        datagram[..before].CopyTo(room);
        Span<byte> extension = room.Slice(before, length);
        extension[0] = room[nextHeaderAt];
        extension[1] = Ipv6HeaderUnits;
        extension[Ipv6TypeOffset] = Ipv6Type;
        extension[Ipv6TypeOffset + 1] = Ipv6OptionLength;
        address.WriteTo(extension.Slice(Ipv6AddressOffset, IpAddress.Length));
        BinaryPrimitives.WriteUInt16BigEndian(extension[Ipv6PortOffset..], port);
        BinaryPrimitives.WriteUInt16BigEndian(extension[Ipv6PaddingOffset..], 0);
        room[nextHeaderAt] = (byte)IpProtocol.DestinationOptions;
        Add(room[IpHeader.Ipv6PayloadLengthOffset..], length);
    }

    private static void Add(Span<byte> field, int length) =>
        BinaryPrimitives.WriteUInt16BigEndian(field, (ushort)(BinaryPrimitives.ReadUInt16BigEndian(field) + length));
}
