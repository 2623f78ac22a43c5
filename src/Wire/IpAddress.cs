using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// An IPv4 or IPv6 address in 16 bytes, in host order: <paramref name="High"/> holds the first eight bytes.
/// IPv4 addresses are held IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that one code path serves both families.
/// </summary>
public readonly record struct IpAddress(ulong High, ulong Low) : IComparable<IpAddress>
{
    private const ulong MappedPrefix = 0x0000_FFFF_0000_0000;

    /// <summary>Bytes of an address in memory, for either family.</summary>
    public const int Length = 16;

    /// <summary>0.0.0.0.</summary>
    public static IpAddress AnyIpv4 => FromIpv4(0);

    /// <summary>True for IPv4-mapped addresses.</summary>
    public bool IsIpv4 => High == 0 && (Low & 0xFFFF_FFFF_0000_0000) == MappedPrefix;

    public bool IsUnspecified => this == default || this == AnyIpv4;

    public bool IsLoopback => IsIpv4 ? (ToIpv4() >> 24) == 127 : High == 0 && Low == 1;

    /// <summary>224.0.0.0/4 or ff00::/8.</summary>
    public bool IsMulticast => IsIpv4 ? (ToIpv4() >> 28) == 0xE : (High >> 56) == 0xFF;

    /// <summary>255.255.255.255.</summary>
    public bool IsBroadcast => IsIpv4 && ToIpv4() == uint.MaxValue;

    /// <summary>169.254.0.0/16 or fe80::/10.</summary>
    public bool IsLinkLocal => IsIpv4 ? (ToIpv4() >> 16) == 0xA9FE : (High >> 54) == 0x3FA;

    public static IpAddress FromIpv4(uint address) => new(0, MappedPrefix | address);

    /// <param name="bytes">4 bytes for IPv4 or 16 for IPv6, as on the wire.</param>
    /// <exception cref="ArgumentException">Any other length.</exception>
    public static IpAddress FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => FromIpv4(BinaryPrimitives.ReadUInt32BigEndian(bytes)),
        Length => new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..])),
        _ => throw new ArgumentException($"an IP address has 4 or 16 bytes, not {bytes.Length}", nameof(bytes)),
    };

    /// <summary>Strict text: four decimal parts for IPv4, RFC 4291 section 2.2 for IPv6, no zone.</summary>
    public static bool TryParse(string? text, out IpAddress address)
    {
        address = default;
        if (string.IsNullOrEmpty(text))
        {
            return false;
        }

        if (!text.Contains(':', StringComparison.Ordinal))
        {
            return TryParseIpv4(text, out address);
        }

        if (text.Contains('%', StringComparison.Ordinal) || text.Contains('[', StringComparison.Ordinal) || !IPAddress.TryParse(text, out IPAddress? parsed))
        {
            return false;
        }

        address = FromBytes(parsed.GetAddressBytes());
        return true;
    }

    /// <summary>
    /// The framework would also take 10.1, 0x0A000001 and 010.0.0.1, which mean something else to every person who reads them; and it makes three
    /// objects of each, of which a large change has tens of thousands.
    /// </summary>
    private static bool TryParseIpv4(ReadOnlySpan<char> text, out IpAddress address)
    {
        address = default;
        uint value = 0;
        int parts = 0;
        for (int i = 0; ; i++)
        {
            int first = i;
            uint part = 0;
            for (; i < text.Length && char.IsAsciiDigit(text[i]) && i - first < 3; i++)
            {
                part = (part * 10) + text[i] - '0';
            }

            if (i == first || part > byte.MaxValue || (text[first] == '0' && i - first > 1))
            {
                return false;
            }

            value = (value << 8) | part;
            parts++;
            if (i == text.Length)
            {
                address = FromIpv4(value);
                return parts == 4;
            }

            if (text[i] != '.' || parts == 4)
            {
                return false;
            }
        }
    }

    /// <exception cref="FormatException">The text is no address.</exception>
    public static IpAddress Parse(string text) =>
        TryParse(text, out IpAddress address) ? address : throw new FormatException($"'{text}' is no IP address");

    /// <summary>The last four bytes; meaningful when <see cref="IsIpv4"/>.</summary>
    public uint ToIpv4() => (uint)Low;

    /// <summary>Writes 4 or 16 bytes in network order, by the length of <paramref name="destination"/>.</summary>
    public void WriteTo(Span<byte> destination)
    {
        if (destination.Length == 4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, ToIpv4());
            return;
        }

        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
    }

    /// <summary>IPv4 before IPv6, then by value.</summary>
    public int CompareTo(IpAddress other)
    {
        int family = other.IsIpv4.CompareTo(IsIpv4);
        if (family != 0)
        {
            return family;
        }

        int high = High.CompareTo(other.High);
        return high != 0 ? high : Low.CompareTo(other.Low);
    }

    public static bool operator <(IpAddress left, IpAddress right) => left.CompareTo(right) < 0;

    public static bool operator >(IpAddress left, IpAddress right) => left.CompareTo(right) > 0;

    public static bool operator <=(IpAddress left, IpAddress right) => left.CompareTo(right) <= 0;

    public static bool operator >=(IpAddress left, IpAddress right) => left.CompareTo(right) >= 0;

    public override string ToString()
    {
        if (IsIpv4)
        {
            uint v = ToIpv4();
            return string.Create(CultureInfo.InvariantCulture, $"{v >> 24}.{(v >> 16) & 0xFF}.{(v >> 8) & 0xFF}.{v & 0xFF}");
        }

        Span<byte> bytes = stackalloc byte[Length];
        WriteTo(bytes);
        return new IPAddress(bytes).ToString();
    }
}
