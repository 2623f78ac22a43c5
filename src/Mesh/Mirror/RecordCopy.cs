using System.Collections.Immutable;
using ClusterMesh.Datapath.Mesh.Publishing;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Mirror;

/// <summary>
/// One other cluster's records in the own etcd, byte for byte and unread (kvstoremesh): so one agent reads the other cluster, and all
/// nodes read the copy. The copy is published only when it is whole, and stays while the other cluster is away.
/// </summary>
public sealed class RecordCopy(string cluster, IClusterStore store, TimeProvider time, Action<string> log)
{
    /// <summary>Between the end of the configuration's copy and that of the records: readers have that long to notice.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromMinutes(3);
    private const int MostTries = 5;

    private readonly Channel _wanted = new();

    /// <summary>Guarded by the lock of <see cref="_wanted"/>.</summary>
    private ImmutableDictionary<string, byte[]> _records = ImmutableDictionary.Create<string, byte[]>(StringComparer.Ordinal);

    internal IReadOnlyCollection<string> Take(MeshRecordKind kind, IReadOnlyList<StoreChange> changes)
    {
        string prefix = MeshKeys.Prefix(cluster, kind, cached: true);
        lock (_wanted)
        {
            ImmutableDictionary<string, byte[]>.Builder records = _records.ToBuilder();
            foreach (StoreChange change in changes)
            {
                if (change.Value is ReadOnlyMemory<byte> value)
                {
                    records[prefix + change.Key] = value.ToArray();
                }
                else
                {
                    records.Remove(prefix + change.Key);
                }
            }

            _records = records.ToImmutable();
            _wanted.Publisher?.Publish(_records);
        }

        return [];
    }

    /// <summary>The records are whole, under this configuration.</summary>
    internal void Publish(ClusterConfig config)
    {
        lock (_wanted)
        {
            if (_wanted.Config != config)
            {
                _wanted.Config = config;
                _wanted.Publisher = new Publisher(store, PublishedPlace.OfCopy(cluster, config), time, log);
                _wanted.Publisher.Publish(_records);
                Interlocked.Exchange(ref _wanted.Changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
            }
        }
    }

    /// <summary>Writes until cancelled; the own etcd's outages are waited out.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(time);
        while (true)
        {
            Task changed = Volatile.Read(ref _wanted.Changed).Task;
            Publisher? publisher = _wanted.Publisher;
            if (publisher is null)
            {
                await changed.WaitAsync(cancellation);
                continue;
            }

            using CancellationTokenSource term = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            Task writing = publisher.RunAsync(term.Token);
            await Task.WhenAny(writing, changed.WaitAsync(cancellation));
            await term.CancelAsync();
            try
            {
                await writing;
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // Another configuration takes its place.
            }
            catch (StoreException fault)
            {
                log($"copy of cluster {cluster}: {fault.Message}");
                await backoff.WaitAsync(cancellation);
            }
        }
    }

    /// <summary>Removes the copy: first the configuration, which tells readers; after a grace the records.</summary>
    public async Task RemoveAsync(CancellationToken cancellation)
    {
        await store.CommitAsync([new StoreWrite(MeshKeys.ClusterConfig(cluster), null)], cancellation);
        await Task.Delay(s_grace, time, cancellation);
        Backoff backoff = new(time, TimeSpan.FromSeconds(2));
        for (int tries = 1; ; tries++)
        {
            try
            {
                foreach (MeshRecordKind kind in Enum.GetValues<MeshRecordKind>())
                {
                    await store.DeletePrefixAsync(MeshKeys.Prefix(cluster, kind, cached: true), cancellation);
                }

                await store.DeletePrefixAsync(MeshKeys.Synced(cluster), cancellation);
                return;
            }
            catch (StoreException fault) when (tries < MostTries)
            {
                log($"removal of the copy of cluster {cluster}: {fault.Message}");
                await backoff.WaitAsync(cancellation);
            }
        }
    }

    /// <summary>What is published, and by whom; guarded by itself.</summary>
    private sealed class Channel
    {
        public ClusterConfig? Config { get; set; }

        public Publisher? Publisher { get; set; }

        public TaskCompletionSource Changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
