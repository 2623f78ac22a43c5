using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>Headers of the fragments that a router makes of an IPv4 datagram (RFC 791 section 3.2).</summary>
public static class Ipv4Fragment
{
    /// <summary>Fragments lie at multiples of so many bytes.</summary>
    public const int Unit = 8;

    private const ushort MoreFragments = 0x2000;
    private const byte CopiedOption = 0x80;
    private const byte EndOfOptions = 0;
    private const byte NoOperation = 1;

    /// <summary>Writes the header of one fragment: all options in the first, those with the copied flag in the others.</summary>
    /// <param name="destination">At least as long as the header.</param>
    /// <param name="header">The datagram's, options included.</param>
    /// <param name="offset">Of the fragment in the original datagram, in bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int WriteHeader(Span<byte> destination, ReadOnlySpan<byte> header, bool isFirst, int offset, bool hasMore, int payloadLength)
    {
        int length = isFirst ? header.Length : IpHeader.Ipv4Length + CopyOptions(destination[IpHeader.Ipv4Length..], header[IpHeader.Ipv4Length..]);
        header[..(isFirst ? header.Length : IpHeader.Ipv4Length)].CopyTo(destination);
        destination[0] = (byte)(0x40 | (length / 4));
        BinaryPrimitives.WriteUInt16BigEndian(destination[IpHeader.Ipv4TotalLengthOffset..], (ushort)(length + payloadLength));
        BinaryPrimitives.WriteUInt16BigEndian(destination[IpHeader.Ipv4FragmentOffset..], (ushort)((offset / Unit) | (hasMore ? MoreFragments : 0)));
        BinaryPrimitives.WriteUInt16BigEndian(destination[IpHeader.Ipv4ChecksumOffset..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(destination[IpHeader.Ipv4ChecksumOffset..], InternetChecksum.Compute(destination[..length]));
        return length;
    }

    /// <returns>Bytes written, a multiple of four. A list of options that is cut off ends where it is.</returns>
    private static int CopyOptions(Span<byte> destination, ReadOnlySpan<byte> options)
    {
        int length = 0;
        while (options.Length > 0 && options[0] != EndOfOptions)
        {
            int optionLength = options[0] == NoOperation ? 1 : options.Length < 2 ? 0 : options[1];
            if (optionLength == 0 || optionLength > options.Length || (options[0] != NoOperation && optionLength < 2))
            {
                break;
            }

            if ((options[0] & CopiedOption) != 0)
            {
                options[..optionLength].CopyTo(destination[length..]);
                length += optionLength;
            }

            options = options[optionLength..];
        }

        int padded = (length + 3) & ~3;
        destination[length..padded].Clear();
        return padded;
    }
}
