using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Reads a frame by its own naive rules, without a word of the code under test, and says whether its checksums hold.</summary>
public readonly record struct FrameCheck
{
    private FrameCheck(bool isIp, bool isIpv4, bool hasValidHeader, int hopLimit, byte protocol, int transportStart, ChecksumState transport)
    {
        IsIp = isIp;
        IsIpv4 = isIpv4;
        HasValidHeader = hasValidHeader;
        HopLimit = hopLimit;
        Protocol = protocol;
        TransportStart = transportStart;
        Transport = transport;
    }

    public bool IsIp { get; }

    public bool IsIpv4 { get; }

    /// <summary>The checksum of an IPv4 header; true for IPv6, which has none.</summary>
    public bool HasValidHeader { get; }

    public int HopLimit { get; }

    public byte Protocol { get; }

    public int TransportStart { get; }

    public ChecksumState Transport { get; }

    public static FrameCheck Of(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < 34)
        {
            return default;
        }

        int type = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]);
        ReadOnlySpan<byte> ip = frame[14..];
        return type switch
        {
            0x0800 when ip[0] >> 4 == 4 => Ipv4(ip),
            0x86DD when ip[0] >> 4 == 6 && ip.Length >= 40 => Ipv6(ip),
            _ => default,
        };
    }

    private static FrameCheck Ipv4(ReadOnlySpan<byte> ip)
    {
        int length = (ip[0] & 15) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(ip[2..]);
        if (length < 20 || total < length || total > ip.Length)
        {
            return default;
        }

        bool isFragment = (BinaryPrimitives.ReadUInt16BigEndian(ip[6..]) & 0x3FFF) != 0;
        bool isValid = NaiveChecksum.Sum(ip[..length]) == 0xFFFF;
        ChecksumState state = isFragment ? ChecksumState.NotThere : Judge(ip.Slice(12, 8), ip[9], ip[length..total]);
        return new FrameCheck(true, true, isValid, ip[8], ip[9], 14 + length, state);
    }

    private static FrameCheck Ipv6(ReadOnlySpan<byte> ip)
    {
        int total = 40 + BinaryPrimitives.ReadUInt16BigEndian(ip[4..]);
        if (total > ip.Length)
        {
            return default;
        }

        ReadOnlySpan<byte> rest = ip[40..total];
        byte next = ip[6];
        bool isFragment = false;
        while (next is 0 or 43 or 44 or 51 or 60)
        {
            // An authentication header counts in words of four bytes, and two less than it has (RFC 4302 section 2.2).
            int length = rest.Length < 8 ? int.MaxValue : next == 44 ? 8 : next == 51 ? (rest[1] + 2) * 4 : 8 + (rest[1] * 8);
            if (length > rest.Length)
            {
                return default;
            }

            isFragment |= next == 44 && (BinaryPrimitives.ReadUInt16BigEndian(rest[2..]) & 0xFFF9) != 0;
            next = rest[0];
            rest = rest[length..];
        }

        ChecksumState state = isFragment ? ChecksumState.NotThere : Judge(ip.Slice(8, 32), next, rest);
        return new FrameCheck(true, false, true, ip[7], next, 14 + total - rest.Length, state);
    }

    private static ChecksumState Judge(ReadOnlySpan<byte> addresses, byte protocol, ReadOnlySpan<byte> segment)
    {
        switch (protocol)
        {
            case 1 when segment.Length >= 8 && addresses.Length == 8:
                return NaiveChecksum.Sum(segment) == 0xFFFF ? ChecksumState.Valid : ChecksumState.Invalid;
            case 17 when segment.Length >= 8:
                int length = BinaryPrimitives.ReadUInt16BigEndian(segment[4..]);
                if (length < 8 || length > segment.Length)
                {
                    return ChecksumState.NotThere;
                }

                segment = segment[..length];
                if (segment[6] == 0 && segment[7] == 0)
                {
                    return ChecksumState.Omitted;
                }

                break;
            case 6 when segment.Length >= 20:
            case 58 when segment.Length >= 8 && addresses.Length == 32:
                break;
            default:
                return ChecksumState.NotThere;
        }

        ushort sum = NaiveChecksum.Sum(segment, NaiveChecksum.PseudoHeader(addresses, protocol, segment.Length));
        return sum == 0xFFFF ? ChecksumState.Valid : ChecksumState.Invalid;
    }
}
