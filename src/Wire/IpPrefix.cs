using System.Globalization;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// A CIDR. <paramref name="Length"/> counts bits of the 16-byte address: 10.0.0.0/8 has 104. Bits behind it are zero.
/// </summary>
public readonly record struct IpPrefix(IpAddress Address, int Length) : IComparable<IpPrefix>
{
    /// <summary>Bits in front of an IPv4 address in its mapped form.</summary>
    public const int Ipv4Offset = 96;

    public const int MaxLength = 128;

    public bool IsIpv4 => Length >= Ipv4Offset && Address.IsIpv4;

    /// <summary>The length as people write it: 8 for 10.0.0.0/8.</summary>
    public int FamilyLength => IsIpv4 ? Length - Ipv4Offset : Length;

    /// <summary>A prefix of one address.</summary>
    public static IpPrefix Host(IpAddress address) => new(address, MaxLength);

    /// <summary>The prefix of this length (in bits of the family) that contains the address; host bits are cleared.</summary>
    public static IpPrefix Containing(IpAddress address, int familyLength)
    {
        int length = address.IsIpv4 ? familyLength + Ipv4Offset : familyLength;
        return new IpPrefix(Mask(address, length), length);
    }

    /// <summary>Takes 10.1.0.0/16, fd00::/8, or a bare address for a host prefix. Bits set behind the length are an error.</summary>
    public static bool TryParse(string? text, out IpPrefix prefix) => TryParse(text, allowHostBits: false, out _, out prefix);

    /// <summary>As <see cref="TryParse(string?, out IpPrefix)"/>, but keeps the address: 172.18.0.5/16 is an interface address in a prefix.</summary>
    public static bool TryParseInterface(string? text, out IpAddress address, out IpPrefix prefix) =>
        TryParse(text, allowHostBits: true, out address, out prefix);

    /// <exception cref="FormatException">The text is no CIDR.</exception>
    public static IpPrefix Parse(string text) =>
        TryParse(text, out IpPrefix prefix) ? prefix : throw new FormatException($"'{text}' is no CIDR");

    public bool Contains(IpAddress address) => Mask(address, Length) == Address && (Length >= Ipv4Offset || !address.IsIpv4);

    public bool Overlaps(IpPrefix other) => Contains(other.Address) && other.Length >= Length || other.Contains(Address) && Length >= other.Length;

    public int CompareTo(IpPrefix other)
    {
        int address = Address.CompareTo(other.Address);
        return address != 0 ? address : Length.CompareTo(other.Length);
    }

    public static bool operator <(IpPrefix left, IpPrefix right) => left.CompareTo(right) < 0;

    public static bool operator >(IpPrefix left, IpPrefix right) => left.CompareTo(right) > 0;

    public static bool operator <=(IpPrefix left, IpPrefix right) => left.CompareTo(right) <= 0;

    public static bool operator >=(IpPrefix left, IpPrefix right) => left.CompareTo(right) >= 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{FamilyLength}");

    private static IpAddress Mask(IpAddress address, int length)
    {
        ulong high = length >= 64 ? address.High : length <= 0 ? 0 : address.High & ~(ulong.MaxValue >> length);
        ulong low = length >= MaxLength ? address.Low : length <= 64 ? 0 : address.Low & ~(ulong.MaxValue >> (length - 64));
        return new IpAddress(high, low);
    }

    private static bool TryParse(string? text, bool allowHostBits, out IpAddress address, out IpPrefix prefix)
    {
        address = default;
        prefix = default;
        if (text is null)
        {
            return false;
        }

        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!IpAddress.TryParse(slash < 0 ? text : text[..slash], out address))
        {
            return false;
        }

        int longest = address.IsIpv4 ? MaxLength - Ipv4Offset : MaxLength;
        int familyLength = longest;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out familyLength) || familyLength > longest))
        {
            return false;
        }

        prefix = Containing(address, familyLength);
        return allowHostBits || prefix.Address == address;
    }
}
