using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>A store that has more than anybody can want: what is taken of it is bounded, and the rest is said.</summary>
public sealed class HostileStoreTests
{
    [Theory]
    [InlineData(1_000_000, 8, PrefixReader.KeyLimit)]
    [InlineData(1_000, 1_000_000, 536)]
    public async Task What_is_taken_is_bounded(int keyCount, int valueLength, int taken)
    {
        Endless store = new(keyCount, new byte[valueLength]);
        int told = 0;
        PrefixReader reader = new(new FakeTimeProvider(), changes =>
        {
            told += changes.Count;
            return [];
        });
        using CancellationTokenSource stop = new();
        Task running = reader.RunAsync(store, "p/", stop.Token);
        await reader.Listed.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.InRange(reader.Count, taken - 1, taken);
        Assert.Equal(reader.Count, told);
        Assert.Equal("p/ has more than 500000 keys or 512 MiB; the rest is ignored", reader.Overflow);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    /// <summary>Makes its entries while they are asked for.</summary>
    private sealed class Endless(int count, byte[] value) : IClusterStore
    {
        public StoreHealth Health { get; } = new(true, "endless");

        public Task<StorePage> ListAsync(string prefix, StorePage? previous, int limit, CancellationToken cancellation = default)
        {
            int from = previous?.Next as int? ?? 0;
            int end = Math.Min(count, from + limit);
            return Task.FromResult(new StorePage([.. Enumerable.Range(from, end - from).Select(i => new StoreEntry($"{prefix}{i:d7}", value, 1, 0))], 1, end < count ? end : null));
        }

        public async IAsyncEnumerable<StoreBatch> WatchAsync(string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancellation = default)
        {
            TaskCompletionSource never = new();
            await never.Task.WaitAsync(cancellation);
            yield break;
        }

        public Task<StoreEntry?> GetAsync(string key, CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task<bool> CommitAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task DeletePrefixAsync(string prefix, CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task<long> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task<bool> KeepLeaseAliveAsync(long lease, CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task RevokeLeaseAsync(long lease, CancellationToken cancellation = default) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
