using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Frames for people: one line that says what a frame is, and the lines of bytes in which two frames differ.</summary>
public static class FrameText
{
    private const int BytesPerLine = 16;

    /// <summary>One line; whatever cannot be read is left out.</summary>
    public static string Line(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < 14)
        {
            return $"runt of {frame.Length} bytes";
        }

        string macs = $"{Mac(frame[6..12])} > {Mac(frame[..6])}";
        int type = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]);
        string rest = type switch
        {
            0x0800 or 0x86DD => Datagram(frame[14..]),
            0x0806 => Arp(frame[14..]),
            _ => $"type 0x{type:x4}",
        };
        return $"{macs} {rest}, {frame.Length} bytes";
    }

    /// <summary>Empty when the frames are equal; else both in words, and every line of bytes that differs.</summary>
    public static string Difference(ReadOnlySpan<byte> got, ReadOnlySpan<byte> wanted)
    {
        if (got.SequenceEqual(wanted))
        {
            return "";
        }

        var text = new StringBuilder();
        text.AppendLine().Append("got:    ").AppendLine(Line(got)).Append("wanted: ").AppendLine(Line(wanted));
        for (int at = 0; at < Math.Max(got.Length, wanted.Length); at += BytesPerLine)
        {
            ReadOnlySpan<byte> left = Part(got, at);
            ReadOnlySpan<byte> right = Part(wanted, at);
            if (!left.SequenceEqual(right))
            {
                text.Append(CultureInfo.InvariantCulture, $"{at:x4} got    {Hex(left)}").AppendLine();
                text.Append(CultureInfo.InvariantCulture, $"     wanted {Hex(right)}").AppendLine();
                text.Append("            ").AppendLine(Marks(left, right));
            }
        }

        return text.ToString();
    }

    private static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> bytes, int at) =>
        at >= bytes.Length ? [] : bytes.Slice(at, Math.Min(BytesPerLine, bytes.Length - at));

    private static string Hex(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        foreach (byte b in bytes)
        {
            text.Append(CultureInfo.InvariantCulture, $"{b:x2} ");
        }

        return text.ToString();
    }

    private static string Marks(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        var text = new StringBuilder();
        for (int i = 0; i < Math.Max(left.Length, right.Length); i++)
        {
            text.Append(i < left.Length && i < right.Length && left[i] == right[i] ? "   " : "^^ ");
        }

        return text.ToString().TrimEnd();
    }

    private static string Mac(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static string Arp(ReadOnlySpan<byte> arp) => arp.Length < 28
        ? "ARP cut"
        : $"ARP {(arp[7] == 1 ? "who has" : "reply to")} {new IPAddress(arp[24..28])} from {new IPAddress(arp[14..18])} at {Mac(arp[8..14])}";

    private static string Datagram(ReadOnlySpan<byte> ip)
    {
        if (ip.Length >= 20 && ip[0] >> 4 == 4)
        {
            int length = (ip[0] & 15) * 4;
            int fragment = BinaryPrimitives.ReadUInt16BigEndian(ip[6..]) & 0x3FFF;
            string tail = string.Create(CultureInfo.InvariantCulture, $"ttl {ip[8]} id {BinaryPrimitives.ReadUInt16BigEndian(ip[4..])}");
            return Ends(new IPAddress(ip[12..16]), new IPAddress(ip[16..20]), ip[9], length <= ip.Length ? ip[length..] : [], (fragment & 0x1FFF) != 0)
                + $" {tail}" + (fragment == 0 ? "" : $" fragment 0x{fragment:x4}");
        }

        if (ip.Length < 40 || ip[0] >> 4 != 6)
        {
            return "IP cut";
        }

        ReadOnlySpan<byte> rest = ip[40..];
        byte next = ip[6];
        string walked = "";
        bool isLater = false;
        while (next is 0 or 43 or 44 or 60 && rest.Length >= 8)
        {
            walked += $" ext {next}";
            int length = next == 44 ? 8 : 8 + (rest[1] * 8);
            isLater |= next == 44 && BinaryPrimitives.ReadUInt16BigEndian(rest[2..]) >> 3 != 0;
            next = rest[0];
            rest = length <= rest.Length ? rest[length..] : [];
        }

        return Ends(new IPAddress(ip[8..24]), new IPAddress(ip[24..40]), next, rest, isLater) + $"{walked} hops {ip[7]}";
    }

    private static string Ends(IPAddress source, IPAddress destination, byte protocol, ReadOnlySpan<byte> transport, bool isLater)
    {
        if (isLater || transport.Length < 8)
        {
            return $"proto {protocol} {source} > {destination}";
        }

        int first = BinaryPrimitives.ReadUInt16BigEndian(transport);
        int second = BinaryPrimitives.ReadUInt16BigEndian(transport[2..]);
        string ports = $"{source} port {first} > {destination} port {second}";
        return protocol switch
        {
            6 when transport.Length >= 20 => $"TCP {ports} flags 0x{transport[13]:x2} sum 0x{BinaryPrimitives.ReadUInt16BigEndian(transport[16..]):x4}",
            17 => $"UDP {ports} sum 0x{BinaryPrimitives.ReadUInt16BigEndian(transport[6..]):x4}",
            132 => $"SCTP {ports}",
            1 or 58 => $"ICMP {source} > {destination} type {transport[0]} code {transport[1]} id {BinaryPrimitives.ReadUInt16BigEndian(transport[4..])} sum 0x{second:x4}"
                + (transport.Length >= 28 && (protocol == 1 ? transport[0] is 3 or 11 or 12 : transport[0] < 128) ? $" quoting ({Datagram(transport[8..])})" : ""),
            _ => $"proto {protocol} {source} > {destination}",
        };
    }
}
