using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests;

/// <summary>Seeded prefixes and addresses for the tests of the prefix table.</summary>
internal sealed class PrefixSample
{
    /// <summary>Prefixes of a length in 1000, after the shape of a full IPv4 table: mostly /24, then /16 to /23, few shorter, some hosts.</summary>
    private static readonly (int Length, int Share)[] s_internetLengths =
    [
        (24, 600), (22, 105), (23, 85), (21, 50), (20, 45), (32, 40), (19, 25), (18, 14), (16, 14), (17, 9), (28, 5), (15, 2), (14, 2), (30, 2), (13, 1), (12, 1),
    ];

    private readonly Random _random;

    public PrefixSample(int seed) => _random = new Random(seed);

    public static IpPrefix[] Internet(int seed, int count) => Distinct(count, new PrefixSample(seed).InternetPrefix);

    public static IpPrefix[] Ipv4Hosts(int seed, int count)
    {
        Random random = new(seed);
        return Distinct(count, () => IpPrefix.Host(IpAddress.FromIpv4((uint)random.NextInt64(1L << 32))));
    }

    public static IpPrefix[] Ipv6UnderOneSixteen(int seed, int count)
    {
        Random random = new(seed);
        return Distinct(count, () => IpPrefix.Containing(new IpAddress(0xFD00UL << 48 | (ulong)random.NextInt64(1L << 48), 0), 48 + random.Next(3) * 8));
    }

    public int Next(int limit) => _random.Next(limit);

    /// <summary>Any length of either family, in few distinct places, so that prefixes nest, touch and share long ways.</summary>
    public IpPrefix Prefix()
    {
        bool ipv4 = _random.Next(2) == 0;
        int longest = ipv4 ? 32 : 128;
        int length = _random.Next(4) == 0 ? longest : _random.Next(longest + 1);
        return IpPrefix.Containing(Address(ipv4), length);
    }

    /// <summary>Inside the prefix at its first, last or any address, or just outside of it.</summary>
    public IpAddress AddressNear(IpPrefix prefix)
    {
        UInt128 first = new(prefix.Address.High, prefix.Address.Low);
        UInt128 behind = prefix.Length == 0 ? UInt128.MaxValue : (UInt128.One << (IpPrefix.MaxLength - prefix.Length)) - 1;
        UInt128 address = _random.Next(5) switch
        {
            0 => first,
            1 => first + behind,
            2 => first - 1,
            3 => first + behind + 1,
            _ => first | (new UInt128((ulong)_random.NextInt64(), (ulong)_random.NextInt64() << 1) & behind),
        };
        return new IpAddress((ulong)(address >> 64), (ulong)address);
    }

    private static IpPrefix[] Distinct(int count, Func<IpPrefix> next)
    {
        HashSet<IpPrefix> distinct = new(count);
        while (distinct.Count < count)
        {
            distinct.Add(next());
        }

        return [.. distinct];
    }

    private IpPrefix InternetPrefix()
    {
        int share = _random.Next(1000);
        int at = 0;
        while (share >= s_internetLengths[at].Share)
        {
            share -= s_internetLengths[at++].Share;
        }

        return IpPrefix.Containing(IpAddress.FromIpv4((uint)_random.NextInt64(0x01000000, 0xE0000000)), s_internetLengths[at].Length);
    }

    /// <summary>A few bits set in a fixed address: neighbours differ late as often as early.</summary>
    private IpAddress Address(bool ipv4)
    {
        UInt128 bits = ipv4 ? 0x0A_F4_01_00u : new UInt128(0xFD00_0010_0244_0000, 0x0000_0000_0000_0100);
        for (int i = _random.Next(4); i > 0; i--)
        {
            bits ^= UInt128.One << _random.Next(ipv4 ? 32 : 128);
        }

        return ipv4 ? IpAddress.FromIpv4((uint)bits) : new IpAddress((ulong)(bits >> 64), (ulong)bits);
    }
}
