using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// The headers around a tunnelled frame: Ethernet, IP without options, UDP, VXLAN (RFC 7348 section 5). Written from a template; lengths and
/// checksums follow from the frame and its offload.
/// </summary>
public static class OuterHeaders
{
    /// <summary>Bytes in front of the inner frame over IPv4, and by how much an inner datagram must be shorter than the link's MTU.</summary>
    public const int Ipv4Length = EthernetHeader.Length + IpHeader.Ipv4Length + TransportHeader.UdpLength + VxlanHeader.Length;

    /// <summary>The same over IPv6.</summary>
    public const int Ipv6Length = EthernetHeader.Length + IpHeader.Ipv6Length + TransportHeader.UdpLength + VxlanHeader.Length;

    private const byte HopLimit = 64;
    private const byte Ipv4WithoutOptions = 0x45;
    private const ushort DontFragment = 0x4000;

    public static int LengthOf(bool isIpv4) => isIpv4 ? Ipv4Length : Ipv6Length;

    /// <summary>What all frames through a tunnel have in common. MAC addresses, lengths, ports' source, class, VNI and checksums are left open.</summary>
    public static byte[] MakeTemplate(IpAddress source, IpAddress destination, ushort port)
    {
        byte[] bytes = new byte[LengthOf(source.IsIpv4)];
        EthernetHeader ethernet = EthernetHeader.Of(bytes);
        ethernet.Type = source.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6;
        Span<byte> ip = bytes.AsSpan(EthernetHeader.Length);
        if (source.IsIpv4)
        {
            ip[0] = Ipv4WithoutOptions;
            BinaryPrimitives.WriteUInt16BigEndian(ip[IpHeader.Ipv4FragmentOffset..], DontFragment); // with DF the id means nothing (RFC 6864 section 4.1)
            ip[IpHeader.Ipv4TtlOffset] = HopLimit;
            ip[IpHeader.Ipv4ProtocolOffset] = (byte)IpProtocol.Udp;
            source.WriteTo(ip.Slice(IpHeader.Ipv4SourceOffset, 4));
            destination.WriteTo(ip.Slice(IpHeader.Ipv4DestinationOffset, 4));
        }
        else
        {
            ip[0] = 0x60;
            ip[IpHeader.Ipv6NextHeaderOffset] = (byte)IpProtocol.Udp;
            ip[IpHeader.Ipv6HopLimitOffset] = HopLimit;
            source.WriteTo(ip.Slice(IpHeader.Ipv6SourceOffset, IpAddress.Length));
            destination.WriteTo(ip.Slice(IpHeader.Ipv6DestinationOffset, IpAddress.Length));
        }

        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(UdpOffset(source.IsIpv4) + 2), port);
        return bytes;
    }

    /// <summary>What is each packet's own; behind the template, before <see cref="Finish"/>.</summary>
    /// <param name="frame">From the outer Ethernet header on.</param>
    public static void WriteFields(Span<byte> frame, byte trafficClass, ushort sourcePort, uint vni)
    {
        bool isIpv4 = IsIpv4(frame);
        Span<byte> ip = frame[EthernetHeader.Length..];
        if (isIpv4)
        {
            ip[1] = trafficClass;
        }
        else
        {
            ip[0] = (byte)(0x60 | trafficClass >> 4);
            ip[1] = (byte)(trafficClass << 4);
        }

        int udp = UdpOffset(isIpv4);
        BinaryPrimitives.WriteUInt16BigEndian(frame[udp..], sourcePort);
        VxlanHeader.Write(frame[(udp + TransportHeader.UdpLength)..], vni);
    }

    /// <summary>Of the pieces of one packet: Linux counts their IPv4 ids from the first one's, which is 0. Before <see cref="Finish"/>.</summary>
    public static void WriteId(Span<byte> frame, int number)
    {
        if (IsIpv4(frame))
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(EthernetHeader.Length + IpHeader.Ipv4IdOffset)..], (ushort)number);
        }
    }

    /// <summary>Writes lengths and checksums, and says what the whole frame asks of its device.</summary>
    /// <param name="frame">From the outer Ethernet header on; all but lengths and checksums of the outer headers is there.</param>
    /// <param name="inner">What the inner frame asks, its offsets counted from the inner Ethernet header.</param>
    /// <param name="hasChecksum">The outer UDP header has a checksum. Nothing is summed for it but headers (local checksum offload).</param>
    public static VirtioNetHeader Finish(Span<byte> frame, in VirtioNetHeader inner, bool hasChecksum)
    {
        bool isIpv4 = IsIpv4(frame);
        int udp = UdpOffset(isIpv4);
        int udpLength = frame.Length - udp;
        Span<byte> ip = frame[EthernetHeader.Length..];
        if (isIpv4)
        {
            // A super-packet may be longer than this field can say; each packet that is made of it has its own.
            BinaryPrimitives.WriteUInt16BigEndian(ip[IpHeader.Ipv4TotalLengthOffset..], (ushort)(frame.Length - EthernetHeader.Length));
            ip.Slice(IpHeader.Ipv4ChecksumOffset, sizeof(ushort)).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(ip[IpHeader.Ipv4ChecksumOffset..], InternetChecksum.Compute(ip[..IpHeader.Ipv4Length]));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[IpHeader.Ipv6PayloadLengthOffset..], (ushort)udpLength);
        }

        BinaryPrimitives.WriteUInt16BigEndian(frame[(udp + TransportHeader.UdpLengthOffset)..], (ushort)udpLength);
        Span<byte> checksum = frame.Slice(udp + TransportHeader.UdpChecksumOffset, sizeof(ushort));
        checksum.Clear();
        VirtioNetHeader outer = inner.Tunnelled(LengthOf(isIpv4), isIpv4);
        return hasChecksum ? WriteChecksum(frame, outer, isIpv4, udpLength) : outer;
    }

    /// <summary>Bytes of the outer headers of a tunnelled frame of our own making, 0 when the frame has none.</summary>
    public static int LengthIn(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < EthernetHeader.Length)
        {
            return 0;
        }

        var type = (EtherType)BinaryPrimitives.ReadUInt16BigEndian(frame[(EthernetHeader.Length - sizeof(ushort))..]);
        int length = type switch
        {
            EtherType.Ipv4 => Ipv4Length,
            EtherType.Ipv6 => Ipv6Length,
            _ => 0,
        };
        return length != 0 && frame.Length >= length + EthernetHeader.Length && (length != Ipv4Length || frame[EthernetHeader.Length] == Ipv4WithoutOptions) ? length : 0;
    }

    /// <summary>Of a frame with outer headers: they ask for a checksum of UDP's.</summary>
    public static bool HasChecksum(ReadOnlySpan<byte> frame) =>
        BinaryPrimitives.ReadUInt16BigEndian(frame[(UdpOffset(IsIpv4(frame)) + TransportHeader.UdpChecksumOffset)..]) != 0;

    /// <summary>Of the outer UDP header in the frame.</summary>
    public static int UdpOffset(bool isIpv4) => EthernetHeader.Length + (isIpv4 ? IpHeader.Ipv4Length : IpHeader.Ipv6Length);

    private static VirtioNetHeader WriteChecksum(Span<byte> frame, in VirtioNetHeader outer, bool isIpv4, int udpLength)
    {
        int udp = UdpOffset(isIpv4);
        Span<byte> addresses = frame[(EthernetHeader.Length + (isIpv4 ? IpHeader.Ipv4SourceOffset : IpHeader.Ipv6SourceOffset))..];
        int length = isIpv4 ? 4 : IpAddress.Length;
        ushort pseudo = InternetChecksum.PseudoHeader(
            IpAddress.FromBytes(addresses[..length]), IpAddress.FromBytes(addresses.Slice(length, length)), IpProtocol.Udp, udpLength);
        Span<byte> field = frame[(udp + TransportHeader.UdpChecksumOffset)..];
        if (outer.IsTunnelled)
        {
            BinaryPrimitives.WriteUInt16BigEndian(field, pseudo); // whoever cuts it sums for each
            return outer;
        }

        if (!outer.HasPartialChecksum)
        {
            BinaryPrimitives.WriteUInt16BigEndian(field, pseudo);
            return new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, (ushort)udp, TransportHeader.UdpChecksumOffset);
        }

        // A sender that asks for a checksum where none can be is refused by the device.
        if (outer.ChecksumStart < udp + UdpHeader.Length || outer.ChecksumStart + outer.ChecksumOffset + sizeof(ushort) > frame.Length)
        {
            return outer;
        }

        // From where the inner checksum begins all will sum up to the complement of what its field holds now.
        ushort rest = BinaryPrimitives.ReadUInt16BigEndian(frame[(outer.ChecksumStart + outer.ChecksumOffset)..]);
        ushort sum = InternetChecksum.Sum(frame[udp..outer.ChecksumStart], (uint)pseudo + (ushort)~rest);
        BinaryPrimitives.WriteUInt16BigEndian(field, sum == ushort.MaxValue ? ushort.MaxValue : (ushort)~sum);
        return outer;
    }

    private static bool IsIpv4(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[(EthernetHeader.Length - sizeof(ushort))..]) == (ushort)EtherType.Ipv4;
}
