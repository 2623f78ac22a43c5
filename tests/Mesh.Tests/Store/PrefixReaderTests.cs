using System.Text;
using System.Threading.Channels;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>List and watch as one, over everything that can happen to a connection; on a real etcd.</summary>
public sealed class PrefixReaderTests : IAsyncLifetime
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private readonly EtcdServer _etcd = new();
    private readonly Channel<string> _told = Channel.CreateUnbounded<string>();
    private readonly HashSet<string> _refused = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly FakeTimeProvider _time = new() { AutoAdvanceAmount = TimeSpan.Zero };
    private EtcdStore _store = null!;
    private PrefixReader _reader = null!;
    private Task _running = null!;

    public async ValueTask InitializeAsync()
    {
        await _etcd.InitializeAsync();
        _store = new EtcdStore(_etcd.Settings);
    }

    [Fact]
    public async Task Deletions_during_an_outage_are_told_after_compaction()
    {
        await PutAsync("a", "1");
        await PutAsync("b", "1");
        Start();
        await ToldAsync("a=1", "b=1");
        await _reader.Listed.WaitAsync(s_limit);
        Assert.Equal(2, _reader.Count);

        // The connection breaks; meanwhile one goes, one comes, one changes, and history is forgotten.
        await _etcd.RestartAsync();
        await using EtcdStore other = new(_etcd.Settings);
        await other.CommitAsync([new StoreWrite("p/a", null), new StoreWrite("p/b", "2"u8.ToArray()), new StoreWrite("p/c", "1"u8.ToArray())]);
        await _etcd.CompactAsync((await other.ListAsync("p/", null, 1)).Revision);
        string[] seen = await PassTimeUntilAsync(() => ToldAsync(3));
        Assert.Equal(["-a", "b=2", "c=1"], seen.Order(StringComparer.Ordinal));
        Assert.Equal("-a", seen[^1]);
        Assert.Equal(2, _reader.Count);
    }

    [Fact]
    public async Task A_value_that_is_not_accepted_is_kept_until_the_next_list()
    {
        await PutAsync("a", "1");
        await PutAsync("b", "1");
        Start();
        await ToldAsync("a=1", "b=1");
        await _reader.Listed.WaitAsync(s_limit);
        _refused.Add("bad");
        await PutAsync("a", "bad");
        await PutAsync("c", "1");
        await ToldAsync("a=bad", "c=1");
        Assert.Equal(3, _reader.Count);

        await _etcd.RestartAsync();
        await using EtcdStore other = new(_etcd.Settings);
        await other.CommitAsync([new StoreWrite("p/d", "1"u8.ToArray())]);
        await _etcd.CompactAsync((await other.ListAsync("p/", null, 1)).Revision);
        Assert.Equal(["a=bad", "b=1", "c=1", "d=1", "-a"], await PassTimeUntilAsync(() => ToldAsync(5)));
        Assert.Equal(3, _reader.Count);
    }

    [Fact]
    public async Task Another_etcd_ends_it()
    {
        await PutAsync("a", "1");
        Start();
        await ToldAsync("a=1");
        await _reader.Listed.WaitAsync(s_limit);
        await _etcd.RestartAsync(wiped: true);
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => PassTimeUntilAsync(async () =>
        {
            await _running.WaitAsync(TimeSpan.FromMilliseconds(50));
            return 0;
        }));
        Assert.Equal(StoreFault.Replaced, fault.Fault);
        Assert.False(_told.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Twentytwo_thousand_keys_are_there_in_seconds()
    {
        byte[] value = new byte[300];
        foreach (int[] chunk in Enumerable.Range(0, 22_000).Chunk(128))
        {
            await _store.CommitAsync([.. chunk.Select(i => new StoreWrite($"p/{i:d5}", value))]);
        }

        int count = 0;
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        _reader = new PrefixReader(_time, changes =>
        {
            count += changes.Count;
            return [];
        });
        _running = _reader.RunAsync(_store, "p/", _stop.Token);
        await _reader.Listed.WaitAsync(s_limit);
        TestContext.Current.SendDiagnosticMessage($"22,000 keys in {watch.ElapsedMilliseconds} ms");
        Assert.Equal(22_000, count);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_running is not null)
        {
            await Task.WhenAny(_running);
        }

        await _store.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    private void Start()
    {
        _reader = new PrefixReader(_time, Take);
        _running = _reader.RunAsync(_store, "p/", _stop.Token);
    }

    private List<string> Take(IReadOnlyList<StoreChange> changes)
    {
        List<string> refused = [];
        foreach (StoreChange change in changes)
        {
            string? value = change.Value is ReadOnlyMemory<byte> bytes ? Encoding.UTF8.GetString(bytes.Span) : null;
            _told.Writer.TryWrite(value is null ? $"-{change.Key}" : $"{change.Key}={value}");
            if (value is not null && _refused.Contains(value))
            {
                refused.Add(change.Key);
            }
        }

        return refused;
    }

    private Task<bool> PutAsync(string key, string value) => _store.CommitAsync([new StoreWrite($"p/{key}", Encoding.UTF8.GetBytes(value))]);

    private async Task ToldAsync(params string[] wanted) => Assert.Equal(wanted, await ToldAsync(wanted.Length));

    private async Task<string[]> ToldAsync(int count)
    {
        using CancellationTokenSource limit = new(s_limit);
        List<string> seen = [];
        while (seen.Count < count)
        {
            seen.Add(await _told.Reader.ReadAsync(limit.Token));
        }

        return [.. seen];
    }

    /// <summary>The reader pauses by the tests' clock: it is turned on while something is awaited.</summary>
    private async Task<T> PassTimeUntilAsync<T>(Func<Task<T>> what)
    {
        Task<T> awaited = RetryAsync(what);
        while (!awaited.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(40));
            await Task.WhenAny(awaited, Task.Run(() => Thread.Yield()));
        }

        return await awaited;
    }

    private static async Task<T> RetryAsync<T>(Func<Task<T>> what)
    {
        while (true)
        {
            try
            {
                return await what();
            }
            catch (Exception fault) when (fault is StoreException { Fault: StoreFault.Unavailable } or TimeoutException)
            {
                await Task.Yield();
            }
        }
    }
}
