using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace ClusterMesh.Datapath.Wire;

/// <summary>The one's complement checksum of IP, TCP, UDP and ICMP (RFC 1071).</summary>
public static class InternetChecksum
{
    /// <summary>From so many bytes on vectors pay: shorter than a TCP header with options they do not.</summary>
    private const int LeastVectorLength = 64;

    /// <summary>The folded sum of the bytes as big-endian words, not complemented; an odd last byte counts as the high half of a word.</summary>
    public static ushort Sum(ReadOnlySpan<byte> bytes, uint initial = 0)
    {
        ulong sum = initial;
        if (BitConverter.IsLittleEndian && bytes.Length >= LeastVectorLength && Vector256.IsHardwareAccelerated)
        {
            int length = bytes.Length & -Vector256<byte>.Count;
            sum += SumVectors(bytes[..length]);
            bytes = bytes[length..];
        }

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

    /// <summary>
    /// Completes a partial checksum: the sum from <paramref name="start"/> to the end of the frame, the field's own value included, is
    /// complemented and put into the field (virtio 1.2 section 5.1.6.2).
    /// </summary>
    /// <param name="offset">Of the field, from <paramref name="start"/> on.</param>
    /// <param name="zero">What to write for 0, which means no checksum to UDP: 0xFFFF, or 0.</param>
    /// <returns>False when the field does not lie in the frame.</returns>
    public static bool TryComplete(Span<byte> frame, int start, int offset, ushort zero)
    {
        if (start + offset + sizeof(ushort) > frame.Length)
        {
            return false;
        }

        ushort checksum = Compute(frame[start..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[(start + offset)..], checksum == 0 ? zero : checksum);
        return true;
    }

    internal static uint Fold(uint sum)
    {
        sum = (sum >> 16) + (sum & 0xFFFF);
        return (sum >> 16) + (sum & 0xFFFF);
    }

    /// <summary>
    /// The sum of a multiple of 32 bytes, folded to a word. Adds the bytes as the machine's own words, the wrong way round, and turns the
    /// sum at the end: RFC 1071 section 2(B).
    /// </summary>
    private static ushort SumVectors(ReadOnlySpan<byte> bytes)
    {
        // Lanes of 64 bits take words of 32: no carry is lost before 16 GB.
        Vector256<ulong> even = Vector256<ulong>.Zero;
        Vector256<ulong> odd = Vector256<ulong>.Zero;
        Vector256<ulong> low = Vector256.Create((ulong)uint.MaxValue);
        while (bytes.Length >= Vector256<byte>.Count)
        {
            Vector256<ulong> four = Vector256.Create(bytes).AsUInt64();
            even += four & low;
            odd += four >> 32;
            bytes = bytes[Vector256<byte>.Count..];
        }

        ulong sum = Vector256.Sum(even + odd);
        sum = (sum >> 32) + (uint)sum;
        sum = (sum >> 32) + (uint)sum;
        return BinaryPrimitives.ReverseEndianness((ushort)Fold((uint)sum));
    }
}
