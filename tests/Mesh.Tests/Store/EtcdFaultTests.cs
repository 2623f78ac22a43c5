using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>An etcd that is killed, restarted and replaced.</summary>
public sealed class EtcdFaultTests
{
    [Fact]
    public async Task A_restarted_etcd_is_the_same_and_a_wiped_one_is_another()
    {
        await using EtcdServer etcd = new();
        await etcd.InitializeAsync();
        await using EtcdStore store = new(etcd.Settings);
        await store.CommitAsync([new StoreWrite("a", new byte[] { 1 })]);
        ulong id = store.ClusterId;
        long revision = (await store.ListAsync("a", null, 1)).Revision;
        IAsyncEnumerator<StoreBatch> watch = store.WatchAsync("a", revision + 1).GetAsyncEnumerator();
        Assert.True(await watch.MoveNextAsync());

        await etcd.RestartAsync();
        StoreException ended = await Assert.ThrowsAsync<StoreException>(async () => await watch.MoveNextAsync());
        Assert.Equal(StoreFault.Unavailable, ended.Fault);
        await watch.DisposeAsync();
        StoreEntry? read = await UntilAnsweredAsync(() => store.GetAsync("a"));
        Assert.Equal([1], read!.Value.Value.ToArray());
        Assert.Equal(id, store.ClusterId);

        await etcd.RestartAsync(wiped: true);
        StoreException replaced = await Assert.ThrowsAsync<StoreException>(() => UntilAnsweredAsync(() => store.GetAsync("a")));
        Assert.Equal(StoreFault.Replaced, replaced.Fault);
        Assert.Contains($"from {id:x} to ", replaced.Message);
        Assert.False(store.Health.IsConnected);

        await using EtcdStore fresh = new(etcd.Settings);
        Assert.Null(await fresh.GetAsync("a"));
        Assert.NotEqual(id, fresh.ClusterId);
    }

    /// <summary>The first calls may still meet the old connection, each of which fails at once.</summary>
    private static async Task<T> UntilAnsweredAsync<T>(Func<Task<T>> call)
    {
        Backoff backoff = new(TimeProvider.System, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(200));
        for (int tries = 0; ; tries++)
        {
            try
            {
                return await call();
            }
            catch (StoreException fault) when (fault.Fault == StoreFault.Unavailable && tries < 100)
            {
                await backoff.WaitAsync(CancellationToken.None);
            }
        }
    }
}
