using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests;

/// <summary>The prefix table answers as a sorted list of prefixes does, and its published maps stay as they were.</summary>
public sealed class PrefixTableTests
{
    [Theory]
    [InlineData(1, 40)]
    [InlineData(2, 400)]
    [InlineData(3, 400)]
    [InlineData(4, 2000)]
    public void Random_changes_answer_like_a_sorted_list(int seed, int size)
    {
        PrefixSample sample = new(seed);
        PrefixTable table = new();
        NaiveRouter naive = new();
        IpPrefix[] pool = new IpPrefix[size * 2];
        for (int i = 0; i < pool.Length; i++)
        {
            pool[i] = sample.Prefix();
        }

        for (int step = 0; step < 6000; step++)
        {
            string where = $"seed {seed}, step {step}";
            IpPrefix prefix = pool[sample.Next(pool.Length)];
            if (sample.Next(2) == 0)
            {
                Assert.True(naive.Set(prefix, step) == table.Set(prefix, step), $"{where}: set {prefix}");
            }
            else
            {
                Assert.True(naive.Remove(prefix) == table.Remove(prefix), $"{where}: remove {prefix}");
            }

            IpPrefix other = pool[sample.Next(pool.Length)];
            Assert.True(naive.TryGet(other, out int wanted) == table.TryGet(other, out int held) && wanted == held, $"{where}: get {other}");
            Assert.True(naive.Count == table.Count, $"{where}: count");
            PrefixMap map = table.Publish();
            table.Reclaim(map.Version);
            for (int i = 0; i < 3; i++)
            {
                naive.AssertSame(map, sample.AddressNear(i == 0 ? prefix : pool[sample.Next(pool.Length)]), where);
            }

            if (step % 1000 == 0)
            {
                Assert.Equal(naive.Entries, table.Enumerate());
            }
        }

        Assert.Equal(naive.Entries, table.Enumerate());
        foreach (IpPrefix prefix in pool)
        {
            Assert.True(naive.Remove(prefix) == table.Remove(prefix), $"seed {seed}: remove {prefix} at the end");
        }

        Assert.Equal(0, table.Count);
        Assert.Empty(table.Enumerate());
        Assert.False(table.Publish().TryLookup(IpAddress.Parse("10.244.1.0"), out _));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Bulk_changes_without_publication_answer_like_a_sorted_list(int seed)
    {
        PrefixSample sample = new(seed);
        PrefixTable table = new();
        NaiveRouter naive = new();
        for (int round = 0; round < 4; round++)
        {
            for (int i = 0; i < 1000; i++)
            {
                IpPrefix prefix = sample.Prefix();
                table.Set(prefix, i);
                naive.Set(prefix, i);
                prefix = sample.Prefix();
                Assert.Equal(naive.Remove(prefix), table.Remove(prefix));
            }

            PrefixMap map = table.Publish();
            Assert.Equal(naive.Entries, table.Enumerate());
            foreach (KeyValuePair<IpPrefix, int> entry in naive.Entries)
            {
                naive.AssertSame(map, sample.AddressNear(entry.Key), $"seed {seed}, round {round}");
            }
        }
    }

    [Theory]
    [InlineData("0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::")]
    [InlineData("128.0.0.0/1", "128.0.0.0", "255.255.255.255", "127.255.255.255")]
    [InlineData("10.0.0.0/7", "10.0.0.0", "11.255.255.255", "12.0.0.0")]
    [InlineData("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "11.0.0.0")]
    [InlineData("10.0.0.0/9", "10.0.0.0", "10.127.255.255", "10.128.0.0")]
    [InlineData("10.2.0.0/15", "10.2.0.0", "10.3.255.255", "10.4.0.0")]
    [InlineData("10.1.0.0/16", "10.1.0.0", "10.1.255.255", "10.2.0.0")]
    [InlineData("10.1.128.0/17", "10.1.128.0", "10.1.255.255", "10.1.127.255")]
    [InlineData("10.1.4.0/22", "10.1.4.0", "10.1.7.255", "10.1.8.0")]
    [InlineData("10.1.1.16/28", "10.1.1.16", "10.1.1.31", "10.1.1.32")]
    [InlineData("10.1.1.2/31", "10.1.1.2", "10.1.1.3", "10.1.1.4")]
    [InlineData("10.1.1.1/32", "10.1.1.1", "10.1.1.1", "10.1.1.0")]
    [InlineData("0.0.0.0/32", "0.0.0.0", "0.0.0.0", "::")]
    [InlineData("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0")]
    [InlineData("8000::/1", "8000::", "ffff::1", "7fff::")]
    [InlineData("fd00::/15", "fd00::", "fd01:ffff::", "fd02::")]
    [InlineData("fd00::/16", "fd00::", "fd00:ffff::1", "fd01::")]
    [InlineData("fd00:8000::/17", "fd00:8000::", "fd00:ffff::", "fd00::")]
    [InlineData("fd00:1:2:3::/64", "fd00:1:2:3::", "fd00:1:2:3:ffff::", "fd00:1:2:4::")]
    [InlineData("fd00:1:2:3:4::/80", "fd00:1:2:3:4::", "fd00:1:2:3:4:ffff::", "fd00:1:2:3:5::")]
    [InlineData("fd00::2/127", "fd00::2", "fd00::3", "fd00::4")]
    [InlineData("fd00::1/128", "fd00::1", "fd00::1", "fd00::")]
    [InlineData("::/128", "::", "::", "::1")]
    public void A_lone_prefix_matches_from_its_first_address_to_its_last(string prefix, string first, string last, string outside)
    {
        PrefixTable table = new();
        PrefixMap none = table.Publish();
        Assert.True(table.Set(IpPrefix.Parse(prefix), 7));
        Assert.False(table.Set(IpPrefix.Parse(prefix), 0));
        PrefixMap one = table.Publish();
        Assert.True(table.Remove(IpPrefix.Parse(prefix)));
        Assert.False(table.Remove(IpPrefix.Parse(prefix)));
        PrefixMap noneAgain = table.Publish();

        Assert.True(one.TryLookup(IpAddress.Parse(first), out int value));
        Assert.Equal(0, value);
        Assert.True(one.TryLookup(IpAddress.Parse(last), out _));
        Assert.False(one.TryLookup(IpAddress.Parse(outside), out _));
        Assert.False(none.TryLookup(IpAddress.Parse(first), out _));
        Assert.False(noneAgain.TryLookup(IpAddress.Parse(first), out _));
    }

    [Fact]
    public void Nested_prefixes_of_every_length_match_the_longest()
    {
        foreach (string text in (string[])["10.170.85.204", "fd00:aaaa:5555:cccc:3333:f0f0:0f0f:1234"])
        {
            IpAddress address = IpAddress.Parse(text);
            int longest = address.IsIpv4 ? 32 : 128;
            PrefixTable table = new();
            for (int length = 0; length <= longest; length++)
            {
                table.Set(IpPrefix.Containing(address, length), length);
            }

            for (int length = longest; length >= 0; length--)
            {
                Assert.True(table.Publish().TryLookup(address, out int value), $"{text} with up to /{length}");
                Assert.Equal(length, value);
                Assert.True(table.Remove(IpPrefix.Containing(address, length)));
            }

            Assert.False(table.Publish().TryLookup(address, out _));
        }
    }

    [Fact]
    public void What_is_no_prefix_is_refused_and_never_found()
    {
        PrefixTable table = new();
        foreach (IpPrefix wrong in (IpPrefix[])[new(IpAddress.Parse("10.0.0.1"), 104), new(IpAddress.Parse("10.0.0.0"), 8), new(default, 129), new(default, -1)])
        {
            Assert.Throws<ArgumentException>(() => table.Set(wrong, 1));
            Assert.False(table.TryGet(wrong, out _));
            Assert.False(table.Remove(wrong));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => table.Set(IpPrefix.Parse("10.0.0.0/8"), -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => table.Reclaim(table.Publish().Version + 1));
    }

    [Fact]
    public void Published_maps_keep_answering_until_their_version_is_reclaimed()
    {
        const int Seed = 21;
        const int KeptCount = 8;
        PrefixSample sample = new(Seed);
        PrefixTable table = new();
        NaiveRouter naive = new();
        Queue<(PrefixMap Map, NaiveRouter Naive)> kept = new();
        for (int i = 0; i < 400; i++)
        {
            IpPrefix prefix = sample.Prefix();
            table.Set(prefix, i);
            naive.Set(prefix, i);
        }

        for (int version = 0; version < 300; version++)
        {
            for (int i = 0; i < 10; i++)
            {
                IpPrefix prefix = sample.Prefix();
                table.Set(prefix, version);
                naive.Set(prefix, version);
                IpPrefix gone = naive.Count > 300 ? naive.Any(sample.Next(naive.Count)) : sample.Prefix();
                table.Remove(gone);
                naive.Remove(gone);
            }

            kept.Enqueue((table.Publish(), naive.Copy()));
            if (kept.Count > KeptCount)
            {
                kept.Dequeue();
            }

            table.Reclaim(kept.Peek().Map.Version);
            foreach ((PrefixMap map, NaiveRouter then) in kept)
            {
                for (int i = 0; i < 5; i++)
                {
                    then.AssertSame(map, sample.AddressNear(then.Any(sample.Next(then.Count))), $"seed {Seed}, version {map.Version} at {version}");
                }
            }
        }
    }

    [Fact]
    public async Task A_reader_on_another_thread_sees_one_state_while_the_writer_goes_on()
    {
        // Every prefix of a map carries the number of its publication, so a block reused too early or a torn path shows as a foreign number.
        IpPrefix[] prefixes = [.. PrefixSample.Internet(31, 300), .. PrefixSample.Ipv6UnderOneSixteen(32, 300)];
        PrefixTable table = new();
        Published newest = Publish(table, prefixes, 1);
        long inUse = newest.Map.Version;
        bool done = false;
        Task<string?> reader = Task.Run(() =>
        {
            while (!Volatile.Read(ref done))
            {
                Published published = Volatile.Read(ref newest);
                Volatile.Write(ref inUse, published.Map.Version);
                foreach (IpPrefix prefix in prefixes)
                {
                    if (!published.Map.TryLookup(prefix.Address, out int value) || value != published.Number)
                    {
                        return $"{prefix}: {value} in publication {published.Number}";
                    }
                }
            }

            return null;
        }, TestContext.Current.CancellationToken);

        for (int number = 2; number < 800; number++)
        {
            Volatile.Write(ref newest, Publish(table, prefixes, number));

            // The reader may have taken the map it reports before this moment, but none older.
            table.Reclaim(Volatile.Read(ref inUse));
        }

        Volatile.Write(ref done, true);
        Assert.Null(await reader);
    }

    [Theory]
    [InlineData(51)]
    [InlineData(52)]
    public void An_emptied_table_uses_no_more_than_before(int seed)
    {
        PrefixSample sample = new(seed);
        PrefixTable table = new();
        long empty = UsedAfterEmptying(table, [IpPrefix.Parse("0.0.0.0/0"), IpPrefix.Parse("::/0")]);
        for (int round = 0; round < 20; round++)
        {
            IpPrefix[] prefixes = new IpPrefix[round * 50];
            for (int i = 0; i < prefixes.Length; i++)
            {
                prefixes[i] = sample.Prefix();
                table.Set(prefixes[i], i);
                if (sample.Next(3) == 0)
                {
                    table.Reclaim(table.Publish().Version);
                }
            }

            Assert.True(UsedAfterEmptying(table, prefixes) == empty, $"seed {seed}, round {round}: {table.UsedLength} bytes in use, {empty} when empty");
        }
    }

    [Fact]
    public void Nothing_changed_publishes_the_same_map()
    {
        PrefixTable table = new();
        table.Set(IpPrefix.Parse("10.0.0.0/8"), 1);
        PrefixMap map = table.Publish();
        table.Set(IpPrefix.Parse("10.0.0.0/8"), 1);
        table.Remove(IpPrefix.Parse("10.0.0.0/9"));
        Assert.Same(map, table.Publish());
    }

    [Fact]
    public void A_change_ends_an_enumeration_under_way()
    {
        PrefixTable table = new();
        table.Set(IpPrefix.Parse("10.0.0.0/8"), 1);
        Assert.Throws<InvalidOperationException>(() =>
        {
            foreach (KeyValuePair<IpPrefix, int> entry in table.Enumerate())
            {
                table.Remove(entry.Key);
            }
        });
    }

    [Fact]
    public void Items_of_the_slabs_have_no_padding()
    {
        Assert.Equal(PrefixNode.Length, Marshal.SizeOf<PrefixNode>());
        Assert.Equal(PrefixRow.Length, Marshal.SizeOf<PrefixRow>());
    }

    private static long UsedAfterEmptying(PrefixTable table, IpPrefix[] prefixes)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            table.Set(prefix, 1);
        }

        foreach (IpPrefix prefix in prefixes)
        {
            table.Remove(prefix);
        }

        table.Reclaim(table.Publish().Version);
        return table.UsedLength;
    }

    private static Published Publish(PrefixTable table, IpPrefix[] prefixes, int number)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            table.Set(prefix, number);
        }

        return new Published(table.Publish(), number);
    }

    private sealed record Published(PrefixMap Map, int Number);
}
