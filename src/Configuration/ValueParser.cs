using System.Buffers;
using System.Globalization;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>One value of a document -> its type, or a sentence about it. The rules that hold wherever such a value stands.</summary>
internal static class ValueParser
{
    private const int NameLengthLimit = 253;

    /// <summary>Cilium's limit (pkg/clustermesh/types).</summary>
    private const int ClusterNameLengthLimit = 32;

    /// <summary>IFNAMSIZ less the final zero.</summary>
    private const int InterfaceLengthLimit = 15;

    private const string Alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    private static readonly SearchValues<char> s_name = SearchValues.Create(Alphanumeric + "._/:-");
    private static readonly SearchValues<char> s_nodeName = SearchValues.Create(Alphanumeric + "._-");
    private static readonly SearchValues<char> s_cluster = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <param name="example">Shown when the name is missing.</param>
    public static string Name(string? text, Place place, string example)
    {
        string name = Needed(text, place, example);
        return name.Length <= NameLengthLimit && !name.AsSpan().ContainsAnyExcept(s_name)
            ? name
            : throw place.Refuse($"{ValueText.Quote(name)} is no name; use letters, digits and . _ / : - only, 253 at most");
    }

    /// <summary>A node's name goes into paths and into 'cluster/name', so it has no slash and no colon.</summary>
    public static string NodeName(string? text, Place place)
    {
        string name = Needed(text, place, "west-worker");
        return name.Length <= NameLengthLimit && !name.AsSpan().ContainsAnyExcept(s_nodeName) && char.IsAsciiLetterOrDigit(name[0])
            ? name
            : throw place.Refuse($"{ValueText.Quote(name)} is no node name; use letters, digits and . _ - only, a letter or digit first, 253 at most");
    }

    /// <summary>Cilium's rule: ^([a-z0-9][-a-z0-9]*)?[a-z0-9]$, 32 at most.</summary>
    public static string ClusterName(string? text, Place place)
    {
        string name = Needed(text, place, "west");
        return name.Length <= ClusterNameLengthLimit && !name.AsSpan().ContainsAnyExcept(s_cluster) && name[0] != '-' && name[^1] != '-'
            ? name
            : throw place.Refuse($"{ValueText.Quote(name)} is no cluster name; use lower-case letters, digits and inner hyphens, 32 at most");
    }

    public static string Interface(string? text, Place place)
    {
        string name = Needed(text, place, "eth0");
        bool legal = name.Length <= InterfaceLengthLimit && name is not ("." or "..")
            && !name.AsSpan().ContainsAnyExceptInRange('!', '~') && name.AsSpan().IndexOfAny("/:%") < 0;
        return legal
            ? name
            : throw place.Refuse($"{ValueText.Quote(name)} is no interface name; use 1 to 15 characters without spaces and without / : %");
    }

    /// <summary>A name under /run/netns, or an absolute path.</summary>
    public static string Namespace(string? text, Place place)
    {
        string name = Needed(text, place, "west-worker, or a path such as /proc/self/ns/net");
        bool legal = name[0] == '/' ? name.Length > 1 : !name.Contains('/', StringComparison.Ordinal) && name is not ("." or "..");
        return legal
            ? name
            : throw place.Refuse($"{ValueText.Quote(name)} names no network namespace; give a name under /run/netns or an absolute path");
    }

    public static IpAddress Address(string? text, Place place)
    {
        string value = Needed(text, place, "10.0.0.1");
        return IpAddress.TryParse(value, out IpAddress address) && !IsMappedText(value, address)
            ? address
            : throw place.Refuse($"expected an IP address such as 10.0.0.1, found {ValueText.Quote(value)}");
    }

    /// <summary>An address that a node, pod, service or backend can have.</summary>
    public static IpAddress UnicastAddress(string? text, Place place) => Unicast(Address(text, place), place);

    public static IpAddress Unicast(IpAddress address, Place place)
    {
        string? kind = address.IsUnspecified ? "the unspecified address"
            : address.IsLoopback ? "a loopback address"
            : address.IsMulticast ? "a multicast address"
            : address.IsBroadcast ? "the broadcast address"
            : null;
        return kind is null ? address : throw place.Refuse($"{address} is {kind}; use an address of one host");
    }

    public static IpPrefix Cidr(string? text, Place place)
    {
        IpPrefix prefix = LooseCidr(text, place, out IpAddress address);
        return prefix.Address == address
            ? prefix
            : throw place.Refuse($"{ValueText.Quote(text!)} has bits set behind its length; did you mean '{prefix}'?");
    }

    /// <summary>A CIDR whose host bits are cleared instead of refused.</summary>
    public static IpPrefix LooseCidr(string? text, Place place) => LooseCidr(text, place, out _);

    /// <summary>An address with the prefix of its link.</summary>
    public static IpPrefix LooseCidr(string? text, Place place, out IpAddress address)
    {
        string value = Needed(text, place, "10.0.0.0/24");
        if (!IpPrefix.TryParseInterface(value, out address, out IpPrefix prefix) || IsMappedText(value, address))
        {
            throw place.Refuse($"expected a CIDR such as 10.0.0.0/24, found {ValueText.Quote(value)}");
        }

        return value.Contains('/', StringComparison.Ordinal)
            ? prefix
            : throw place.Refuse($"{ValueText.Quote(value)} has no prefix length; add one, as in '{value}/{(address.IsIpv4 ? 24 : 64)}'");
    }

    public static MacAddress Mac(string text, Place place)
    {
        if (!MacAddress.TryParse(text, out MacAddress mac))
        {
            throw place.Refuse($"expected a MAC address such as 02:00:00:00:00:01, found {ValueText.Quote(text)}");
        }

        return mac.Value != 0 && !mac.IsGroup
            ? mac
            : throw place.Refuse($"{mac} is no address of one interface; use a unicast one such as 02:00:00:00:00:01");
    }

    public static ushort Port(int port, Place place) => port is >= 1 and <= ushort.MaxValue
        ? (ushort)port
        : throw place.Refuse(port == 0
            ? "is missing; give a port from 1 to 65535"
            : string.Create(CultureInfo.InvariantCulture, $"{port} is no port; use 1 to 65535"));

    public static int InRange(int value, int least, int most, Place place, string what) => value >= least && value <= most
        ? value
        : throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"{value} is no {what}; use {least} to {most}"));

    /// <summary>What a CIDR's first address (and in IPv4 its last) is kept for; null for all others.</summary>
    public static string? ReservedUse(IpPrefix prefix, IpAddress address)
    {
        int hostBits = IpPrefix.MaxLength - prefix.Length;
        if (hostBits < 2 || !prefix.Contains(address))
        {
            return null;
        }

        return address == prefix.Address ? "network address"
            : address.IsIpv4 && hostBits <= 32 && address.ToIpv4() == (prefix.Address.ToIpv4() | (uint)((1UL << hostBits) - 1)) ? "broadcast address"
            : null;
    }

    private static string Needed(string? text, Place place, string example) =>
        string.IsNullOrEmpty(text) ? throw place.Refuse($"is missing; give one such as {example}") : text;

    // ::ffff:10.0.0.1 would silently become 10.0.0.1.
    private static bool IsMappedText(string text, IpAddress address) => address.IsIpv4 && text.Contains(':', StringComparison.Ordinal);
}
