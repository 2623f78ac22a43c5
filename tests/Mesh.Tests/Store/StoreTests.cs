using System.Text;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>What every cluster store must do; each implementation runs all of it.</summary>
public abstract class StoreTests
{
    private static readonly CancellationToken s_limit = new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    /// <summary>Below a prefix of the test's own.</summary>
    protected string Prefix { get; } = $"test/{Guid.NewGuid():N}/";

    protected abstract IClusterStore Store { get; }

    [Fact]
    public async Task A_value_is_read_as_it_was_written()
    {
        byte[] value = [0, 1, 255, 10];
        Assert.Null(await Store.GetAsync(Prefix + "a"));
        await PutAsync("a", value);
        StoreEntry? read = await Store.GetAsync(Prefix + "a");
        Assert.Equal(value, read!.Value.Value.ToArray());
        await Store.CommitAsync([new StoreWrite(Prefix + "a", null)]);
        Assert.Null(await Store.GetAsync(Prefix + "a"));
        Assert.True(Store.Health.IsConnected);
    }

    [Fact]
    public async Task A_list_has_the_keys_below_the_prefix_in_order_whatever_the_page()
    {
        string[] keys = [.. Enumerable.Range(0, 57).Select(i => $"k/{i:d3}")];
        await Store.CommitAsync([.. keys.Reverse().Select(k => Write(k, k))]);
        await Store.CommitAsync([Write("k0", "beside"), Write("j/x", "before"), Write("l", "behind")]);
        foreach (int limit in (int[])[1, 10, 57, 100])
        {
            List<string> found = [];
            StorePage? page = null;
            do
            {
                page = await Store.ListAsync(Prefix + "k/", page, limit);
                Assert.True(page.Entries.Count <= limit);
                found.AddRange(page.Entries.Select(e => e.Key[Prefix.Length..]));
            }
            while (page.Next is not null);

            Assert.Equal(keys, found);
        }
    }

    [Fact]
    public async Task A_commit_holds_whole_or_not_at_all()
    {
        Assert.True(await Store.CommitAsync([Write("a", "1", expected: 0)]));
        Assert.False(await Store.CommitAsync([Write("b", "1"), Write("a", "2", expected: 0)]));
        Assert.Null(await Store.GetAsync(Prefix + "b"));
        long revision = (await Store.GetAsync(Prefix + "a"))!.Value.Revision;
        Assert.True(await Store.CommitAsync([Write("b", "1"), Write("a", "2", expected: revision)]));
        Assert.False(await Store.CommitAsync([new StoreWrite(Prefix + "a", null, Expected: revision)]));
        Assert.Equal("2", await TextAsync("a"));
    }

    [Fact]
    public async Task A_watch_tells_every_change_from_a_revision_on_in_order()
    {
        await PutAsync("w/a", "0"u8.ToArray());
        StorePage list = await Store.ListAsync(Prefix + "w/", null, 10);
        await PutAsync("w/b", "1"u8.ToArray());
        await using IAsyncEnumerator<StoreBatch> watch = Store.WatchAsync(Prefix + "w/", list.Revision + 1, s_limit).GetAsyncEnumerator(s_limit);
        Assert.True(await watch.MoveNextAsync());
        Assert.Empty(watch.Current.Changes);
        await PutAsync("beside", "x"u8.ToArray());
        await Store.CommitAsync([new StoreWrite(Prefix + "w/a", null), Write("w/c", "2")]);
        Assert.Equal(["b=1", "-a", "c=2"], (await TakeAsync(watch, 3)).Select(Show).OrderBy(s => s == "b=1" ? 0 : 1).ThenBy(s => s, StringComparer.Ordinal));
        await Store.DeletePrefixAsync(Prefix + "w/");
        Assert.Equal(["-b", "-c"], (await TakeAsync(watch, 2)).Select(Show).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Two_watches_see_the_same()
    {
        long revision = (await Store.ListAsync(Prefix, null, 1)).Revision;
        await using IAsyncEnumerator<StoreBatch> one = Store.WatchAsync(Prefix, revision + 1, s_limit).GetAsyncEnumerator(s_limit);
        await using IAsyncEnumerator<StoreBatch> two = Store.WatchAsync(Prefix, revision + 1, s_limit).GetAsyncEnumerator(s_limit);
        for (int i = 0; i < 200; i++)
        {
            await PutAsync("same", Encoding.UTF8.GetBytes($"{i}"));
        }

        string[] wanted = [.. Enumerable.Range(0, 200).Select(i => $"same={i}")];
        Assert.Equal(wanted, (await TakeAsync(one, 200)).Select(c => $"same={Encoding.UTF8.GetString(c.Value!.Value.Span)}"));
        Assert.Equal(wanted, (await TakeAsync(two, 200)).Select(c => $"same={Encoding.UTF8.GetString(c.Value!.Value.Span)}"));
    }

    [Fact]
    public async Task An_expired_lease_takes_its_keys_along()
    {
        long lease = await Store.GrantLeaseAsync(TimeSpan.FromSeconds(1));
        Assert.NotEqual(0, lease);
        await Store.CommitAsync([Write("l/a", "1", lease), Write("l/b", "1", lease), Write("l/c", "1")]);
        Assert.True(await Store.KeepLeaseAliveAsync(lease));
        // Written anew without the lease, a key outlives it.
        await Store.CommitAsync([Write("l/b", "2")]);
        long revision = (await Store.ListAsync(Prefix, null, 1)).Revision;
        await using IAsyncEnumerator<StoreBatch> watch = Store.WatchAsync(Prefix + "l/", revision + 1, s_limit).GetAsyncEnumerator(s_limit);
        await watch.MoveNextAsync();
        PassTime(TimeSpan.FromSeconds(2));
        Assert.Equal(["-a"], (await TakeAsync(watch, 1)).Select(Show));
        Assert.False(await Store.KeepLeaseAliveAsync(lease));
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => Store.CommitAsync([Write("l/d", "1", lease)]));
        Assert.Equal(StoreFault.Refused, fault.Fault);
        await Store.RevokeLeaseAsync(lease);
    }

    [Fact]
    public async Task A_revoked_lease_takes_its_keys_along()
    {
        long lease = await Store.GrantLeaseAsync(TimeSpan.FromMinutes(1));
        long other = await Store.GrantLeaseAsync(TimeSpan.FromMinutes(1));
        Assert.NotEqual(lease, other);
        await Store.CommitAsync([Write("r/a", "1", lease), Write("r/b", "1", other)]);
        await Store.RevokeLeaseAsync(lease);
        Assert.Equal(["r/b"], (await Store.ListAsync(Prefix + "r/", null, 10)).Entries.Select(e => e.Key[Prefix.Length..]));
    }

    [Fact]
    public async Task A_value_that_is_too_large_is_refused_and_the_store_goes_on()
    {
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => PutAsync("large", new byte[3 * 1024 * 1024]));
        Assert.Equal(StoreFault.Refused, fault.Fault);
        await PutAsync("small", new byte[3]);
        Assert.Null(await Store.GetAsync(Prefix + "large"));
    }

    [Fact]
    public async Task A_revision_of_the_future_is_said_to_be_unknown()
    {
        long revision = (await Store.ListAsync(Prefix, null, 1)).Revision;
        StoreException fault = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (StoreBatch _ in Store.WatchAsync(Prefix, revision + 1_000_000, s_limit))
            {
                Assert.Fail("a batch of the future");
            }
        });
        Assert.Equal(StoreFault.Compacted, fault.Fault);
    }

    /// <summary>Moves the store's clock, if it is one that the tests hold.</summary>
    protected abstract void PassTime(TimeSpan time);

    protected StoreWrite Write(string key, string value, long lease = 0, long? expected = null) => new(Prefix + key, Encoding.UTF8.GetBytes(value), lease, expected);

    protected Task<bool> PutAsync(string key, byte[] value) => Store.CommitAsync([new StoreWrite(Prefix + key, value)]);

    protected async Task<string?> TextAsync(string key) => await Store.GetAsync(Prefix + key) is StoreEntry entry ? Encoding.UTF8.GetString(entry.Value.Span) : null;

    protected static async Task<List<StoreChange>> TakeAsync(IAsyncEnumerator<StoreBatch> watch, int count)
    {
        List<StoreChange> changes = [];
        while (changes.Count < count)
        {
            Assert.True(await watch.MoveNextAsync());
            changes.AddRange(watch.Current.Changes);
        }

        return changes;
    }

    private string Show(StoreChange change)
    {
        string key = change.Key[(change.Key.LastIndexOf('/') + 1)..];
        return change.Value is ReadOnlyMemory<byte> value ? $"{key}={Encoding.UTF8.GetString(value.Span)}" : $"-{key}";
    }
}
