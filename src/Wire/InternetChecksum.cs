using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>The one's complement checksum of IP, TCP, UDP and ICMP (RFC 1071).</summary>
public static class InternetChecksum
{
    /// <summary>The folded sum of the bytes as big-endian words, not complemented; an odd last byte counts as the high half of a word.</summary>
    public static ushort Sum(ReadOnlySpan<byte> bytes, uint initial = 0)
    {
        ulong sum = initial;
        while (bytes.Length >= 8)
        {
            // Four words at once: a carry out of 32 bits is kept in the upper half and folded at the end (RFC 1071 section 2).
            ulong eight = BinaryPrimitives.ReadUInt64BigEndian(bytes);
            sum += (eight >> 32) + (uint)eight;
            bytes = bytes[8..];
        }

        while (bytes.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }

        if (bytes.Length == 1)
        {
            sum += (uint)bytes[0] << 8;
        }

        sum = (sum >> 32) + (uint)sum;
        sum = (sum >> 32) + (uint)sum;
        return (ushort)Fold((uint)sum);
    }

    /// <summary>The checksum of a header or ICMP message, ready for its field; the field itself must be zero in the bytes.</summary>
    public static ushort Compute(ReadOnlySpan<byte> bytes) => (ushort)~Sum(bytes);

    /// <summary>The checksum of a TCP, UDP or ICMPv6 segment with its pseudo-header; a UDP result of 0 must be sent as 0xFFFF (RFC 768).</summary>
    public static ushort ComputeTransport(IpAddress source, IpAddress destination, IpProtocol protocol, ReadOnlySpan<byte> segment) =>
        (ushort)~Sum(segment, PseudoHeader(source, destination, protocol, segment.Length));

    /// <summary>The sum over the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1): what a partial checksum's field holds.</summary>
    public static ushort PseudoHeader(IpAddress source, IpAddress destination, IpProtocol protocol, int segmentLength)
    {
        Span<byte> bytes = stackalloc byte[(IpAddress.Length * 2) + 8];
        int length = source.IsIpv4 ? 4 : IpAddress.Length;
        source.WriteTo(bytes[..length]);
        destination.WriteTo(bytes.Slice(length, length));
        BinaryPrimitives.WriteInt32BigEndian(bytes[(2 * length)..], segmentLength);
        BinaryPrimitives.WriteInt32BigEndian(bytes[((2 * length) + 4)..], (byte)protocol);
        return Sum(bytes[..((2 * length) + 8)]);
    }

    internal static uint Fold(uint sum)
    {
        sum = (sum >> 16) + (sum & 0xFFFF);
        return (sum >> 16) + (sum & 0xFFFF);
    }
}
