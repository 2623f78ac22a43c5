using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests;

/// <summary>
/// A million prefixes: their memory, the work of a change, and no allocation by a look-up. Alone, because others would be in the memory measured.
/// </summary>
[Collection(nameof(PrefixTableScaleTests))]
[CollectionDefinition(nameof(PrefixTableScaleTests), DisableParallelization = true)]
public sealed class PrefixTableScaleTests
{
    private const int FullCount = 1_000_000;
    private const long MemoryLimit = 64L << 20;

    /// <summary>A change copies a family's rows, a row's nodes, and one block of at most 64 nodes per level: some 10 KB with two levels behind the row.</summary>
    private const long ChangeLimit = 16 << 10;

    [Fact]
    public void A_full_internet_table_fits_and_changes_cheaply()
    {
        IpPrefix[] prefixes = PrefixSample.Internet(41, FullCount);
        PrefixTable table = LoadWithinLimit(prefixes);
        AssertChangesAreCheap(table, [.. prefixes[..2000], .. Parse("0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.0/9", "10.2.0.0/15", "10.1.0.0/16", "10.1.1.1/32")]);
        AssertLookupsAllocateNothing(table.Publish(), prefixes);
    }

    [Fact]
    public void A_million_random_hosts_fit_and_stay_flat_under_a_million_changes()
    {
        IpPrefix[] prefixes = PrefixSample.Ipv4Hosts(42, FullCount + FullCount / 10);
        PrefixTable table = LoadWithinLimit(prefixes[..FullCount]);
        Random random = new(43);
        long loaded = table.MemoryLength;
        for (int i = 0; i < FullCount / 2; i++)
        {
            int outside = FullCount + random.Next(FullCount / 10);
            int inside = random.Next(FullCount);
            Assert.True(table.Remove(prefixes[inside]) && table.Set(prefixes[outside], i), $"change {i}");
            (prefixes[inside], prefixes[outside]) = (prefixes[outside], prefixes[inside]);
            PrefixMap map = table.Publish();
            table.Reclaim(map.Version);
        }

        Assert.Equal(FullCount, table.Count);
        Assert.True(table.MemoryLength < loaded + (4 << 20), $"{loaded} bytes became {table.MemoryLength}");
    }

    [Fact]
    public void Ipv6_under_one_sixteen_changes_cheaply()
    {
        IpPrefix[] prefixes = PrefixSample.Ipv6UnderOneSixteen(44, 300_000);
        PrefixTable table = Load(prefixes);
        AssertChangesAreCheap(table, [.. prefixes[..2000], .. Parse("::/0", "fd00::/8", "fd00::/15", "fd00::/16", "fd00::/17", "fd00::1/128", "fd00::/127")]);
        AssertLookupsAllocateNothing(table.Publish(), prefixes);
    }

    /// <summary>The dearest place: every node on the way has all its children.</summary>
    [Fact]
    public void A_dense_area_changes_cheaply()
    {
        IpPrefix[] prefixes = new IpPrefix[1 << 18];
        for (int i = 0; i < prefixes.Length; i++)
        {
            prefixes[i] = IpPrefix.Host(IpAddress.FromIpv4(0x0A000000u + (uint)i));
        }

        AssertChangesAreCheap(Load(prefixes), prefixes[..2000]);
    }

    private static IpPrefix[] Parse(params string[] texts) => [.. texts.Select(IpPrefix.Parse)];

    private static PrefixTable Load(IpPrefix[] prefixes)
    {
        PrefixTable table = new();
        for (int i = 0; i < prefixes.Length; i++)
        {
            table.Set(prefixes[i], i);
        }

        table.Reclaim(table.Publish().Version);
        Assert.Equal(prefixes.Length, table.Count);
        return table;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static PrefixTable LoadWithinLimit(IpPrefix[] prefixes)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        PrefixTable table = Load(prefixes);
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(held <= MemoryLimit, $"{held} bytes are held");
        Assert.True(table.MemoryLength <= MemoryLimit, $"{table.MemoryLength} bytes are reported");
        Assert.True(Math.Abs(held - table.MemoryLength) < 1 << 20, $"{table.MemoryLength} bytes are reported but {held} held");
        return table;
    }

    private static void AssertChangesAreCheap(PrefixTable table, IpPrefix[] prefixes)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            for (int i = 0; i < 2; i++)
            {
                long before = table.WrittenLength;
                if (!table.Remove(prefix))
                {
                    table.Set(prefix, 1);
                }

                table.Reclaim(table.Publish().Version);
                long written = table.WrittenLength - before;
                Assert.True(written <= ChangeLimit, $"{prefix}: a change wrote {written} bytes");
            }
        }
    }

    private static void AssertLookupsAllocateNothing(PrefixMap map, IpPrefix[] prefixes)
    {
        IpAddress[] addresses = [.. prefixes[..100_000].Select(prefix => prefix.Address), IpAddress.Parse("255.255.255.255"), IpAddress.Parse("::1")];
        LookUp(map, addresses);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int hitCount = LookUp(map, addresses);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(hitCount >= 99_000, $"{hitCount} hits");
    }

    private static int LookUp(PrefixMap map, IpAddress[] addresses)
    {
        int hitCount = 0;
        foreach (IpAddress address in addresses)
        {
            hitCount += map.TryLookup(address, out _) ? 1 : 0;
        }

        return hitCount;
    }
}
