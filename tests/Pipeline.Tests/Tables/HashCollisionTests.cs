using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>
/// Who knows the hash function but not the seed: thousands of keys that fall on one place of a table under a seed that was known spread over the whole
/// table under another, as keys do that nobody chose.
/// </summary>
public sealed class HashCollisionTests
{
    private const ulong KnownSeed = 0x0123_4567_89AB_CDEF;
    private const int Buckets = 1024;
    private const int KeyCount = 2000;
    private static readonly MonoTime s_now = MonoTime.FromSeconds(1000);

    /// <summary>Seeds as they come at start: far ones and near ones, as each table and each worker has its own.</summary>
    public static TheoryData<ulong> OtherSeeds => [1, KnownSeed + 1, KnownSeed ^ (1ul << 63), ~KnownSeed, 0xFEDC_BA98_7654_3210];

    [Theory]
    [MemberData(nameof(OtherSeeds))]
    public void Keys_that_collide_under_a_known_seed_spread_under_another(ulong seed)
    {
        foreach (FlowKey[] keys in (FlowKey[][])[Colliding(PortsOf), Colliding(AddressOf)])
        {
            Assert.Equal(KeyCount, Fullest(keys, KnownSeed));

            // 2,000 in 1,024 buckets: 2 each; one with 14 comes once in tens of millions of tables.
            Assert.InRange(Fullest(keys, seed), 1, 13);
        }
    }

    [Theory]
    [MemberData(nameof(OtherSeeds))]
    public void Fragments_that_fall_into_one_set_do_not_under_another_seed(ulong seed)
    {
        FlowKey[] keys = Colliding(AddressOf, hash => hash & ((4 * Buckets) - 1) & ~3ul);
        Assert.Equal(4, RememberedOf(keys, KnownSeed));
        Assert.InRange(RememberedOf(keys, seed), keys.Length / 4, keys.Length);
    }

    /// <summary>An attacker may choose ids as well: they are no way round the seed.</summary>
    [Fact]
    public void Ids_of_fragments_do_not_undo_the_seed()
    {
        const uint Chosen = 0xABCD;
        FlowKey[] keys = Colliding(AddressOf, hash => hash & ((4 * Buckets) - 1) & ~3ul, KnownSeed ^ Chosen);
        Assert.Equal(4, RememberedOf(keys, KnownSeed, Chosen));
        Assert.InRange(RememberedOf(keys, KnownSeed, Chosen + 1), keys.Length / 4, keys.Length);
    }

    /// <summary>The time that a look-up takes hangs on it: a walk over colliding entries, which a table with another seed does not make.</summary>
    [Fact]
    public void A_flow_table_walks_no_further_for_them_than_for_others()
    {
        FlowKey[] keys = Colliding(PortsOf);
        Assert.InRange(LongestWalk(keys, KnownSeed), KeyCount / 2, KeyCount);
        Assert.InRange(LongestWalk(keys, seed: 99), 1, 64);
    }

    [Fact]
    public void Sessions_of_clients_that_collide_spread_too()
    {
        IpAddress[] clients = [.. Enumerable.Range(0, 4_000_000).Select(i => IpAddress.FromIpv4(0x0B00_0000u + (uint)i))
            .Where(c => new FlowKey(c, default, 0, 7, IpProtocol.Tcp).Hash(KnownSeed) >> 54 == 0).Take(KeyCount)];
        Assert.Equal(KeyCount, clients.Length);
        Assert.Equal(8, SessionsOf(clients, KnownSeed));
        Assert.InRange(SessionsOf(clients, 5), KeyCount - 20, KeyCount);
    }

    /// <summary>Two starts have two seeds, and so have the tables of one.</summary>
    [Fact]
    public void Tables_have_seeds_of_their_own()
    {
        var dice = new FlowRandom(KnownSeed);
        ulong[] seeds = [.. Enumerable.Range(0, 1000).Select(_ => dice.Next())];
        Assert.Equal(seeds.Length, seeds.Distinct().Count());
        FlowKey[] keys = Colliding(PortsOf);
        Assert.All(seeds.Take(20), seed => Assert.InRange(Fullest(keys, seed), 1, 13));
    }

    private static FlowKey PortsOf(int i) => new(
        IpAddress.Parse("203.0.113.9"), IpAddress.FromIpv4(0xAC12_0005u + (uint)(i >> 28)), (ushort)(i & 0xFFFF), (ushort)(i >> 16), IpProtocol.Tcp);

    private static FlowKey AddressOf(int i) => new(IpAddress.FromIpv4(0x0A00_0000u + (uint)i), IpAddress.Parse("172.18.0.5"), 0, 0, IpProtocol.Udp);

    private static FlowKey[] Colliding(Func<int, FlowKey> keyOf) => Colliding(keyOf, BucketOf);

    private static FlowKey[] Colliding(Func<int, FlowKey> keyOf, Func<ulong, ulong> bucketOf, ulong seed = KnownSeed)
    {
        FlowKey[] keys = [.. Enumerable.Range(0, 8_000_000).Select(keyOf).Where(key => bucketOf(key.Hash(seed)) == 0).Take(KeyCount)];
        Assert.Equal(KeyCount, keys.Length);
        return keys;
    }

    /// <summary>As FlowIndex has its slots: by the highest bits.</summary>
    private static ulong BucketOf(ulong hash) => hash >> 54;

    private static int Fullest(FlowKey[] keys, ulong seed)
    {
        var counts = new int[Buckets];
        foreach (FlowKey key in keys)
        {
            counts[BucketOf(key.Hash(seed))]++;
        }

        return counts.Max();
    }

    /// <summary>A table of 1,024 sets: how many of the datagrams it still knows at the end.</summary>
    private static int RememberedOf(FlowKey[] keys, ulong seed, uint id = 0)
    {
        var table = new FragmentTable(4 * Buckets, seed);
        foreach (FlowKey key in keys)
        {
            table.Remember(key, id, s_now);
        }

        return keys.Count(key => table.TryPeek(key, id, s_now, out _));
    }

    private static int LongestWalk(FlowKey[] keys, ulong seed)
    {
        var index = new FlowIndex(8 * KeyCount);
        var first = new int[keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            first[i] = index.FirstSlot(keys[i].Hash(seed));
        }

        // Slots are taken in a row from the first on: the walk is as long as the row.
        var taken = new SortedSet<int>();
        int longest = 0;
        foreach (int slot in first)
        {
            int at = slot;
            while (!taken.Add(at))
            {
                at++;
            }

            longest = Math.Max(longest, at - slot + 1);
        }

        return longest;
    }

    private static int SessionsOf(IpAddress[] clients, ulong seed)
    {
        // 8,192 places in 1,024 sets.
        var table = new AffinityTable(4096, seed);
        Assert.Equal(8192, table.Capacity);
        foreach (IpAddress client in clients)
        {
            table.Use(7, client, 1, s_now, out _);
        }

        return table.Count;
    }
}
