using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>The store tests on a real etcd, and what only etcd can do.</summary>
public sealed class EtcdStoreTests(EtcdServer etcd) : StoreTests, IClassFixture<EtcdServer>, IAsyncDisposable
{
    private readonly EtcdStore _store = new(etcd.Settings);

    protected override IClusterStore Store => _store;

    [Fact]
    public async Task A_compacted_revision_is_said_to_be_unknown()
    {
        long revision = (await _store.ListAsync(Prefix, null, 1)).Revision;
        await PutAsync("a", [1]);
        await PutAsync("a", [2]);
        await etcd.CompactAsync((await _store.ListAsync(Prefix, null, 1)).Revision);
        StoreException fault = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (StoreBatch batch in _store.WatchAsync(Prefix, revision))
            {
                Assert.Empty(batch.Changes);
            }
        });
        Assert.Equal(StoreFault.Compacted, fault.Fault);
    }

    [Fact]
    public async Task An_etcd_that_is_not_there_is_said_with_its_address()
    {
        await using EtcdStore none = new(new EtcdSettings([new Uri($"http://127.0.0.1:{EtcdServer.FreePort()}")]));
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => none.GetAsync("a"));
        Assert.Equal(StoreFault.Unavailable, fault.Fault);
        Assert.Contains("refused", fault.Message, StringComparison.OrdinalIgnoreCase);
        Assert.StartsWith("http://127.0.0.1:", fault.Message);
        Assert.Equal(new StoreHealth(false, fault.Message), none.Health);
    }

    [Fact]
    public async Task The_second_endpoint_is_tried_when_the_first_is_down()
    {
        await using EtcdStore two = new(new EtcdSettings([new Uri($"http://127.0.0.1:{EtcdServer.FreePort()}"), etcd.Endpoint]));
        await Assert.ThrowsAsync<StoreException>(() => two.GetAsync("a"));
        Assert.Null(await two.GetAsync("a"));
        Assert.True(two.Health.IsConnected);
    }

    [Fact]
    public async Task Pages_shrink_when_values_are_large()
    {
        for (int i = 0; i < 40; i++)
        {
            await PutAsync($"big/{i:d2}", new byte[1_400_000]);
        }

        List<string> found = [];
        StorePage? page = null;
        do
        {
            page = await _store.ListAsync(Prefix + "big/", page, 256);
            found.AddRange(page.Entries.Select(e => e.Key));
        }
        while (page.Next is not null);

        Assert.Equal(40, found.Distinct().Count());
        await _store.DeletePrefixAsync(Prefix);
    }

    public async ValueTask DisposeAsync() => await _store.DisposeAsync();

    /// <summary>etcd's own clock passes by itself; what happens is awaited.</summary>
    protected override void PassTime(TimeSpan time)
    {
    }
}
