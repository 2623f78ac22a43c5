using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>The tables of services against dictionaries, over random operations, and what a table that was published once says ever after.</summary>
public sealed class ServiceTableTests
{
    public static TheoryData<int> Seeds => [1, 2, 3];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Frontends(int seed)
    {
        var random = new Random(seed);
        var writer = new ServiceTableWriter(ServiceOptions.Default, (ulong)seed);
        var twin = new Dictionary<(IpAddress, ushort, IpProtocol), Frontend>();
        var published = new List<(ServiceTable Table, Dictionary<(IpAddress, ushort, IpProtocol), Frontend> Twin)>();
        uint lastId = 0;
        for (int step = 0; step < 3000; step++)
        {
            (IpAddress, ushort, IpProtocol) key = Key(random, 600);
            if (twin.ContainsKey(key) && random.Next(3) == 0)
            {
                twin.Remove(key);
                writer.Remove(key.Item1, key.Item2, key.Item3);
            }
            else
            {
                var frontend = new Frontend(++lastId, key.Item1, key.Item2, key.Item3, ServiceType.ClusterIP, BackendSet.Empty);
                frontend = random.Next(4) == 0 ? frontend with { Internal = frontend with { Id = ++lastId, IsInternal = true } } : frontend;
                twin[key] = frontend;
                writer.Set(frontend);
            }

            if (step % 100 == 0)
            {
                published.Add((writer.Publish(), new(twin)));
            }
        }

        published.Add((writer.Publish(), twin));
        Assert.Same(published[^1].Table, writer.Publish());
        foreach ((ServiceTable table, Dictionary<(IpAddress, ushort, IpProtocol), Frontend> then) in published)
        {
            for (int i = 0; i < 600; i++)
            {
                (IpAddress address, ushort port, IpProtocol protocol) = Key(i);
                Frontend? wanted = then.GetValueOrDefault((address, port, protocol)) ?? then.GetValueOrDefault((address, port, ServiceTable.AnyProtocol));
                bool isFound = table.TryFind(address, port, protocol, out Frontend? found);
                Assert.True(isFound == (wanted is not null) && (!isFound || ReferenceEquals(wanted, found)), $"seed {seed}, key {i}");
            }

            HashSet<uint> ids = [.. then.Values.SelectMany(f => (uint[])[f.Id, f.Internal?.Id ?? 0])];
            for (uint id = 1; id <= lastId; id++)
            {
                Assert.Equal(ids.Contains(id), table.TryGet(id, out Frontend? found) && found!.Id == id);
            }
        }
    }

    /// <summary>A change among a hundred thousand frontends copies some pages and the lists of pages: bytes, since time shows less on a busy machine.</summary>
    [Fact]
    public void A_change_costs_its_pages()
    {
        long few = Cost(10);
        long many = Cost(100_000);
        Assert.InRange(many, 0, few + 100_000);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(5000)]
    public void Backends(int count)
    {
        var random = new Random(count);
        uint[] ids = [.. Enumerable.Range(0, count).Select(_ => (uint)random.NextInt64(1, uint.MaxValue)).Distinct()];
        Backend[] backends = [.. ids.Select((id, i) => new Backend(id, IpAddress.FromIpv4((uint)i), 80, (BackendState)(i % 5)))];
        var set = new BackendSet(backends, backends, backends.Length);
        foreach (Backend backend in backends)
        {
            Assert.True(set.TryGet(backend.Id, out Backend found) && found == backend);
            Assert.Equal(ids.Contains(backend.Id + 1), set.TryGet(backend.Id + 1, out _));
        }

        Assert.Equal(ids.Contains(7u), set.TryGet(7, out _));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Affinities(int seed)
    {
        const int Capacity = 40;
        const int Timeout = 50;
        var random = new Random(seed);
        var table = new AffinityTable(Capacity, (ulong)seed);
        Backend[] backends = [new(1, default, 1), new(2, default, 2), new(3, default, 3, BackendState.Quarantined)];
        Frontend[] frontends = [.. Enumerable.Range(1, 3).Select(i => new Frontend((uint)i, default, 1, IpProtocol.Tcp, ServiceType.ClusterIP, new BackendSet(backends, backends, 2)) { AffinitySeconds = Timeout })];
        var twin = new Dictionary<(uint, IpAddress), (uint Backend, MonoTime Used, int Entry, uint Generation)>();
        MonoTime now = MonoTime.FromSeconds(1000);
        for (int step = 0; step < 50_000; step++)
        {
            Frontend frontend = frontends[random.Next(3)];
            IpAddress client = IpAddress.FromIpv4((uint)random.Next(30));
            (uint, IpAddress) key = (frontend.Id, client);
            now = now.PlusSeconds(random.Next(3) * 0.5);
            bool isPeeked = table.TryPeek(frontend, client, now, out Backend peeked);
            bool isFound = table.TryGetBackend(frontend, client, now, out Backend found);
            Assert.Equal((isFound, found), (isPeeked, peeked));
            if (isFound)
            {
                (uint backend, MonoTime used, int entry, uint generation) = twin[key];
                Assert.Equal(backend, found.Id);
                Assert.NotEqual(3u, found.Id);
                Assert.InRange(now.Nanoseconds - used.Nanoseconds, 0, (Timeout * 1_000_000_000L) - 1);
                Assert.Equal(generation, table[entry].Generation);
                Assert.True(table.TryUseAgain(entry, generation, backend, used));
                Assert.False(table.TryUseAgain(entry, generation + 1, 77, now));
            }

            if (random.Next(2) == 0)
            {
                uint backend = (uint)random.Next(1, 5);
                int entry = table.Use(frontend.Id, client, backend, now, out uint generation);
                twin[key] = (backend, now, entry, generation);
            }

        }

        // Of more clients than it holds, those that were heard last are there.
        for (int i = 0; i < 1000; i++)
        {
            now = now.PlusSeconds(0.001);
            table.Use(1, IpAddress.FromIpv4(5000u + (uint)i), 1, now, out _);
            Assert.True(table.TryPeek(frontends[0], IpAddress.FromIpv4(5000u + (uint)i), now, out _));
        }

        Assert.InRange(table.Count, Capacity, table.Capacity);
        Assert.InRange(Enumerable.Range(1000 - Capacity, Capacity).Count(i => table.TryPeek(frontends[0], IpAddress.FromIpv4(5000u + (uint)i), now, out _)), Capacity * 3 / 4, Capacity);
    }

    private static long Cost(int count)
    {
        var writer = new ServiceTableWriter(ServiceOptions.Default, 1);
        Frontend[] frontends = [.. Enumerable.Range(1, count).Select(i => new Frontend((uint)i, IpAddress.FromIpv4((uint)i), 80, IpProtocol.Tcp, ServiceType.ClusterIP, BackendSet.Empty))];
        foreach (Frontend frontend in frontends)
        {
            writer.Set(frontend);
        }

        Frontend more = frontends[0] with { Id = (uint)count + 1, Port = 81 };
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            writer.Publish();
            long before = GC.GetAllocatedBytesForCurrentThread();
            writer.Set(more);
            writer.Publish();
            writer.Remove(more.Address, more.Port, more.Protocol);
            writer.Publish();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }

    private static (IpAddress, ushort, IpProtocol) Key(Random random, int count) => Key(random.Next(count));

    private static (IpAddress, ushort, IpProtocol) Key(int i) =>
        (IpAddress.FromIpv4((uint)(i / 6)), (ushort)(80 + (i % 2)), (i % 3) switch { 0 => IpProtocol.Tcp, 1 => IpProtocol.Udp, _ => ServiceTable.AnyProtocol });
}
