using System.Buffers.Binary;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// Whether a frame may be seen on a wire: lengths that agree with each other, header checksums, fragments that can be put together. By rules of its own,
/// without a word of the code under test.
/// </summary>
public static class FrameValidity
{
    private const int Ethernet = 14;

    /// <summary>What is wrong with a frame that leaves; null for nothing.</summary>
    /// <param name="isHost">Sent by the host's stack or given to it, which is no hop: what hop limit it has is its sender's affair, 0 as well.</param>
    public static string? Fault(ReadOnlySpan<byte> frame, bool isHost = false)
    {
        if (frame.Length < Ethernet + 28)
        {
            return $"{frame.Length} bytes are no frame";
        }

        if ((frame[6] & 1) != 0)
        {
            return "the source MAC address is a group's";
        }

        ReadOnlySpan<byte> ip = frame[Ethernet..];
        return BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) switch
        {
            0x0806 => ip[..6].SequenceEqual((ReadOnlySpan<byte>)[0, 1, 8, 0, 6, 4]) ? null : "ARP of other lengths",
            0x0800 => Ipv4(ip, isHost),
            0x86DD => Ipv6(ip, isHost),
            ushort type => $"EtherType {type:x4}",
        };
    }

    /// <summary>A fragment that nobody can put together with others. One that came so goes on so; none becomes so, and none is made.</summary>
    public static bool IsOddFragment(byte[] frame)
    {
        if (frame.Length < Ethernet + 28 || EndOf(frame) > frame.Length)
        {
            return false;
        }

        ReadOnlySpan<byte> ip = frame.AsSpan(Ethernet, EndOf(frame) - Ethernet);
        if (frame[12] == 0x08 && frame[13] == 0 && ip.Length >= 20)
        {
            int place = BinaryPrimitives.ReadUInt16BigEndian(ip[6..]);
            return IsOddFragment((place & 0x1FFF) * 8, (place & 0x2000) != 0, ip.Length - ((ip[0] & 15) * 4));
        }

        if (frame[12] != 0x86 || ip.Length < 40)
        {
            return false;
        }

        byte next = ip[6];
        for (ReadOnlySpan<byte> rest = ip[40..]; next is 0 or 43 or 44 or 60 && HeaderLength(next, rest) <= rest.Length;)
        {
            if (next == 44)
            {
                int place = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
                return IsOddFragment(place & 0xFFF8, (place & 1) != 0, rest.Length - 8);
            }

            int header = HeaderLength(next, rest);
            next = rest[0];
            rest = rest[header..];
        }

        return false;
    }

    /// <summary>Of a packet that went through: what its checksum has become that it was not; null when it is as good as it came.</summary>
    public static string? Loss(byte[] sent, VirtioNetHeader sentOffload, byte[] got, VirtioNetHeader gotOffload)
    {
        ChecksumState before = StateOf(sent, sentOffload);
        ChecksumState after = StateOf(got, gotOffload);
        return IsOddFragment(got) && !IsOddFragment(sent) ? "a fragment that fits no other"
            : before == ChecksumState.Valid && after != ChecksumState.Valid ? $"a valid checksum became {after}"
            : before == ChecksumState.Omitted && after == ChecksumState.Invalid ? "no checksum became a wrong one"
            : null;
    }

    private static ChecksumState StateOf(byte[] frame, VirtioNetHeader offload)
    {
        if (!offload.HasPartialChecksum)
        {
            return FrameCheck.Of(frame).Transport;
        }

        // Completed, if the offload is about the transport's field at all.
        FrameCheck check = FrameCheck.Of(frame);
        int field = check.Protocol switch { 6 => 16, 17 => 6, _ => -1 };
        return check.IsIp && offload.ChecksumStart == check.TransportStart && offload.ChecksumOffset == field && check.Transport != ChecksumState.NotThere
            ? FrameCheck.Of(Offload.Complete(frame[..EndOf(frame)], offload)).Transport
            : ChecksumState.NotThere;
    }

    private static int EndOf(byte[] frame) => Ethernet + (frame[Ethernet] >> 4 == 4
        ? BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(Ethernet + 2))
        : 40 + BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(Ethernet + 4)));

    private static string? Ipv4(ReadOnlySpan<byte> ip, bool isHost)
    {
        int header = (ip[0] & 15) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(ip[2..]);
        return ip[0] >> 4 != 4 ? $"version {ip[0] >> 4} in IPv4"
            : header < 20 || header > total ? $"a header of {header} bytes in {total}"
            : total != ip.Length ? $"total length {total} in {ip.Length} bytes"
            : NaiveChecksum.Sum(ip[..header]) != 0xFFFF ? "a wrong header checksum"
            : ip[8] == 0 && !isHost ? "hop limit 0"
            : null;
    }

    private static string? Ipv6(ReadOnlySpan<byte> ip, bool isHost)
    {
        if (ip.Length < 40 || ip[0] >> 4 != 6 || (ip[7] == 0 && !isHost))
        {
            return "no IPv6 header, or hop limit 0";
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(ip[4..]);
        if (length != ip.Length - 40)
        {
            return $"payload length {length} in {ip.Length - 40} bytes";
        }

        byte next = ip[6];
        for (ReadOnlySpan<byte> rest = ip[40..]; next is 0 or 43 or 44 or 60;)
        {
            int header = HeaderLength(next, rest);
            if (header > rest.Length)
            {
                return $"extension header {next} is cut off";
            }

            next = rest[0];
            rest = rest[header..];
        }

        return null;
    }

    /// <summary>Of an extension header at the beginning.</summary>
    private static int HeaderLength(byte type, ReadOnlySpan<byte> rest) => rest.Length < 8 ? int.MaxValue : type == 44 ? 8 : 8 + (rest[1] * 8);

    /// <summary>RFC 791 section 3.2, RFC 8200 section 4.5.</summary>
    private static bool IsOddFragment(int offset, bool hasMore, int length) => (hasMore && length % 8 != 0) || offset + length > 65_535;
}
