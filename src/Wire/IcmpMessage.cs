using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>Writes ICMP errors of both families (RFC 792, RFC 4443) with the IP header before them.</summary>
public static class IcmpMessage
{
    /// <summary>IPDEFTTL, and the hop limit that RFC 4861 has routers advertise.</summary>
    private const byte HopLimit = 64;

    private const byte Ipv4Version = 0x45;
    private const byte Ipv6Version = 0x60;

    /// <summary>Bytes before the packet that an error quotes.</summary>
    public static int HeaderLengthOf(bool isIpv4) => (isIpv4 ? IpHeader.Ipv4Length : IpHeader.Ipv6Length) + TransportHeader.IcmpLength;

    /// <summary>Writes both headers before a quoted packet, which is there already.</summary>
    /// <param name="datagram">Has the quoted packet at <see cref="HeaderLengthOf"/>.</param>
    /// <param name="rest">Bytes 4 to 7 of the ICMP header: an MTU, or 0.</param>
    /// <returns>Bytes of the whole datagram.</returns>
    public static int WriteError(
        Span<byte> datagram, IpAddress source, IpAddress destination, byte trafficClass, byte type, byte code, uint rest, int quotedLength)
    {
        bool isIpv4 = source.IsIpv4;
        int headerLength = isIpv4 ? IpHeader.Ipv4Length : IpHeader.Ipv6Length;
        int length = HeaderLengthOf(isIpv4) + quotedLength;
        Span<byte> header = datagram[..headerLength];
        header.Clear();
        if (isIpv4)
        {
            header[0] = Ipv4Version;
            header[1] = trafficClass;
            BinaryPrimitives.WriteUInt16BigEndian(header[IpHeader.Ipv4TotalLengthOffset..], (ushort)length);
            header[IpHeader.Ipv4TtlOffset] = HopLimit;
            header[IpHeader.Ipv4ProtocolOffset] = (byte)IpProtocol.Icmp;
            source.WriteTo(header.Slice(IpHeader.Ipv4SourceOffset, 4));
            destination.WriteTo(header.Slice(IpHeader.Ipv4DestinationOffset, 4));
            BinaryPrimitives.WriteUInt16BigEndian(header[IpHeader.Ipv4ChecksumOffset..], InternetChecksum.Compute(header));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(header, (ushort)((Ipv6Version << 8) | (trafficClass << 4)));
            BinaryPrimitives.WriteUInt16BigEndian(header[IpHeader.Ipv6PayloadLengthOffset..], (ushort)(length - headerLength));
            header[IpHeader.Ipv6NextHeaderOffset] = (byte)IpProtocol.Icmpv6;
            header[IpHeader.Ipv6HopLimitOffset] = HopLimit;
            source.WriteTo(header.Slice(IpHeader.Ipv6SourceOffset, IpAddress.Length));
            destination.WriteTo(header.Slice(IpHeader.Ipv6DestinationOffset, IpAddress.Length));
        }

        Span<byte> message = datagram[headerLength..length];
        message[0] = type;
        message[1] = code;
        BinaryPrimitives.WriteUInt16BigEndian(message[TransportHeader.IcmpChecksumOffset..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(message[4..], rest);
        ushort checksum = isIpv4
            ? InternetChecksum.Compute(message)
            : InternetChecksum.ComputeTransport(source, destination, IpProtocol.Icmpv6, message);
        BinaryPrimitives.WriteUInt16BigEndian(message[TransportHeader.IcmpChecksumOffset..], checksum);
        return length;
    }
}
