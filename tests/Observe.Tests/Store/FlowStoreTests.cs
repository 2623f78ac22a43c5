using ClusterMesh.Datapath.Observe.Filters;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using CsCheck;

namespace ClusterMesh.Datapath.Observe.Tests.Store;

public sealed class FlowStoreTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Everything_comes_in_order()
    {
        FlowStore store = Filled(5);
        Assert.Equal("0 1 2 3 4", await ReadAsync(store, new()));
    }

    [Theory]
    [InlineData(3, false, "7 8 9")]
    [InlineData(3, true, "0 1 2")]
    [InlineData(99, false, "0 1 2 3 4 5 6 7 8 9")]
    public async Task A_number_takes_the_last_or_the_first(ulong number, bool first, string expected) =>
        Assert.Equal(expected, await ReadAsync(Filled(10), new() { Number = number, First = first }));

    [Fact]
    public async Task A_number_counts_what_matches() => Assert.Equal(
        "4 6 8", await ReadAsync(Filled(10), new() { Number = 3, Matches = flow => SecondOf(flow) % 2 == 0 }));

    [Theory]
    [InlineData(3, null, 0, false, "3 4 5 6 7 8 9")]
    [InlineData(null, 3, 0, false, "0 1 2 3")]
    [InlineData(3, 6, 0, false, "3 4 5 6")]
    [InlineData(3, 6, 2, false, "5 6")]
    [InlineData(3, 6, 2, true, "3 4")]
    [InlineData(20, null, 0, false, "")]
    public async Task Times_include_both_ends(int? since, int? until, int number, bool first, string expected) => Assert.Equal(
        expected,
        await ReadAsync(Filled(10), new() { Since = Nanoseconds(since), Until = Nanoseconds(until), Number = (ulong)number, First = first }));

    [Fact]
    public async Task A_full_ring_keeps_the_newest()
    {
        FlowStore store = Filled(10, capacity: 4);
        Assert.Equal("6 7 8 9", await ReadAsync(store, new()));
        Assert.Equal("6 7 8 9", await ReadAsync(store, new() { Number = 6 }));
        Assert.Equal((4ul, 4ul, 10ul), (store.Status.Count, store.Status.Capacity, store.Status.Seen));
    }

    [Fact]
    public async Task Who_follows_gets_what_comes()
    {
        FlowStore store = Filled(3);
        using CancellationTokenSource over = new(s_limit);
        await using IAsyncEnumerator<FlowReading> follower = Reader(store, new() { Follow = true, Number = 1 }).ReadAsync(over.Token).GetAsyncEnumerator();
        Assert.Equal("2", await NextAsync(follower));
        ValueTask<bool> waiting = follower.MoveNextAsync();
        Assert.False(waiting.IsCompleted);
        store.Add([Sample.Syn(3)]);
        Assert.True(await waiting);
        Assert.Equal("3", Text(follower.Current));
    }

    [Fact]
    public async Task Who_follows_without_a_number_gets_only_what_is_new()
    {
        FlowStore store = Filled(3);
        using CancellationTokenSource over = new(s_limit);
        await using IAsyncEnumerator<FlowReading> follower = Reader(store, new() { Follow = true }).ReadAsync(over.Token).GetAsyncEnumerator();
        ValueTask<bool> waiting = follower.MoveNextAsync();
        store.Add([Sample.Syn(7)]);
        Assert.True(await waiting);
        Assert.Equal("7", Text(follower.Current));
    }

    [Fact]
    public async Task Who_follows_until_a_time_comes_to_an_end()
    {
        FlowStore store = Filled(3);
        Task<string> all = ReadAsync(store, new() { Follow = true, Since = Nanoseconds(1), Until = Nanoseconds(3) });
        store.Add([Sample.Syn(3), Sample.Syn(4)]);
        Assert.Equal("1 2 3", await all.WaitAsync(s_limit));
    }

    [Fact]
    public async Task Who_reads_too_slowly_is_told_what_was_missed()
    {
        FlowStore store = Filled(300, capacity: 300);
        await using IAsyncEnumerator<FlowReading> reader = Reader(store, new() { Follow = true, Number = 300 }).ReadAsync(CancellationToken.None).GetAsyncEnumerator();
        for (int i = 0; i < 256; i++) // what it read ahead
        {
            Assert.Equal($"{i}", await NextAsync(reader));
        }

        Add(store, 300, 600);
        Assert.Equal("lost 344 by reader", await NextAsync(reader));
        Assert.Equal("600", await NextAsync(reader));
    }

    [Fact]
    public async Task Losses_on_the_way_stand_where_they_happened()
    {
        FlowStore store = Filled(2);
        store.AddLost(17, Sample.TimeOf(1.5));
        store.AddLost(0, Sample.TimeOf(1.6));
        Add(store, 2, 1);
        Assert.Equal("0 1 lost 17 before 2", await ReadAsync(store, new()));
        Assert.Equal("lost 17 before 2", await ReadAsync(store, new() { Since = Sample.TimeOf(1.5) }));
        Assert.Equal((3ul, 3ul, 17ul), (store.Status.Count, store.Status.Seen, store.Status.Lost));
    }

    [Fact]
    public void A_record_of_another_version_is_refused_and_counted()
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.Syn() with { Version = FlowRecord.CurrentVersion + 1 }, default, Sample.Syn()]);
        Assert.Equal((1ul, 1ul, 2ul), (store.Status.Count, store.Status.Seen, store.Status.Refused));
    }

    // The agent's collections cost the forwarder processor time, too.
    [Fact]
    public void Keeping_an_event_and_looking_at_it_makes_no_objects()
    {
        FlowStore store = Sample.Store(capacity: 1024);
        FlowRecord[] batch = [.. Enumerable.Range(0, 256).Select(i => i % 2 == 0 ? Sample.Syn(i) : Sample.ToService(i))];
        Func<ObservedFlow, bool> matches = FlowFilters.Compile(
            [new() { SourcePod = { "default/curl" }, DestinationLabel = { "app=webpod" }, DestinationPort = { "80" } }, new() { DestinationService = { "x/y" } }], []);
        ObservedFlow flow = new(Sample.Node, store.Instance);
        FlowSlot[] slots = new FlowSlot[256];
        int found = Run(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        found += Run(1000);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(1100 * 128, found);

        int Run(int times)
        {
            int count = 0;
            for (int i = 0; i < times; i++)
            {
                ulong sequence = store.Next;
                store.Add(batch);
                int read = store.Read(ref sequence, slots);
                for (int n = 0; n < read; n++)
                {
                    flow.Load(slots[n], sequence + (ulong)n);
                    count += matches(flow) ? 1 : 0;
                }
            }

            return count;
        }
    }

    [Fact]
    public void The_rate_is_that_of_the_last_minute()
    {
        ManualClock clock = new();
        FlowStore store = Sample.Store(clock: clock);
        Add(store, 0, 120);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(60, store.Status.Rate);
        clock.Advance(TimeSpan.FromSeconds(58));
        Assert.Equal(2, store.Status.Rate);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, store.Status.Rate);
        Assert.Equal(TimeSpan.FromSeconds(60), store.Status.Uptime);
    }

    [Fact]
    public void Events_are_counted_by_what_they_say()
    {
        FlowStore store = Sample.Store(capacity: 2);
        store.Add([Sample.Syn(), Sample.Syn(), Sample.Ping(), Sample.Denied()]);
        Assert.Equal(
            [
                new(FlowEventKind.Drop, 133, FlowVerdict.Dropped, "TCP", 1),
                new(FlowEventKind.Trace, 11, FlowVerdict.Forwarded, "TCP", 2),
                new(FlowEventKind.Trace, 11, FlowVerdict.Forwarded, "ICMPv4", 1),
            ],
            store.Counters.Rows);
    }

    [Fact]
    public async Task An_event_keeps_the_names_of_its_time()
    {
        FlowStore store = Filled(1);
        store.Names = store.Names.WithEndpoint(IpPrefix.Parse("10.0.1.105/32"), null);
        Add(store, 1, 1);
        List<string?> pods = [];
        await foreach (FlowReading reading in Reader(store, new()).ReadAsync(CancellationToken.None))
        {
            pods.Add(reading.Flow!.Source?.Pod);
        }

        Assert.Equal(["curl-pod", null], pods);
    }

    [Fact]
    public async Task Any_mix_of_adding_and_reading_gives_each_event_once_or_counts_it() => await Gen.Int[0, 700].List[1, 20].SampleAsync(async steps =>
    {
        FlowStore store = Sample.Store(capacity: 100);
        await using IAsyncEnumerator<FlowReading> reader = Reader(store, new() { Follow = true, Since = 0 }).ReadAsync(CancellationToken.None).GetAsyncEnumerator();
        Add(store, 0, 1);
        Assert.Equal("0", await NextAsync(reader)); // from here on it has a place
        ulong added = 1;
        ulong seen = 1;
        ulong lost = 0;
        foreach (int step in steps)
        {
            Add(store, (int)added, step);
            added += (ulong)step;
            for (int i = 0; i < step / 2 && seen + lost < added; i++)
            {
                await NextAsync(reader);
                Count(reader.Current);
            }
        }

        while (seen + lost < added)
        {
            await NextAsync(reader);
            Count(reader.Current);
        }

        Assert.Equal(added, seen + lost);

        void Count(FlowReading reading)
        {
            if (reading.Flow is not null)
            {
                Assert.Equal(seen + lost, (ulong)SecondOf(reading.Flow));
                seen++;
            }

            lost += reading.LostCount;
        }
    }, iter: 100);

    private static FlowStore Filled(int count, int capacity = 64)
    {
        FlowStore store = Sample.Store(capacity);
        Add(store, 0, count);
        return store;
    }

    private static void Add(FlowStore store, int from, int count) => store.Add([.. Enumerable.Range(from, count).Select(i => Sample.Syn(i))]);

    private static FlowReader Reader(FlowStore store, FlowQuery query) => new(store, Sample.Node, query);

    private static async Task<string> ReadAsync(FlowStore store, FlowQuery query)
    {
        List<string> all = [];
        await foreach (FlowReading reading in Reader(store, query).ReadAsync(CancellationToken.None))
        {
            all.Add(Text(reading));
        }

        return string.Join(' ', all);
    }

    private static async Task<string> NextAsync(IAsyncEnumerator<FlowReading> reader)
    {
        Assert.True(await reader.MoveNextAsync());
        return Text(reader.Current);
    }

    private static string Text(FlowReading reading) =>
        reading.Flow is not null ? $"{SecondOf(reading.Flow)}" : $"lost {reading.LostCount} {(reading.LostByReader ? "by reader" : "before")}";

    private static long SecondOf(ObservedFlow flow) => (flow.Record.Time - Sample.TimeOf(0)) / 1_000_000_000;

    private static long? Nanoseconds(int? second) => second is null ? null : Sample.TimeOf(second.Value);
}
