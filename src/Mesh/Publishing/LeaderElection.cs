using System.Text;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Publishing;

/// <summary>
/// One of a cluster's agents does what must be done once. Who writes the key under its lease leads, until the lease is lost; the others
/// wait for the key to go.
/// </summary>
public sealed class LeaderElection(IClusterStore store, string key, string name, TimeProvider time)
{
    /// <summary>Cilium's lease for locks: so long nobody leads after a leader was killed.</summary>
    private static readonly TimeSpan s_timeToLive = TimeSpan.FromSeconds(25);

    private volatile bool _isLeader;

    public bool IsLeader => _isLeader;

    /// <summary>Runs the work each time that this agent leads, with a token that is cancelled when it no longer does. Until cancelled.</summary>
    public async Task RunAsync(Func<CancellationToken, Task> lead, Action<string> log, CancellationToken cancellation)
    {
        Backoff backoff = new(time);
        while (true)
        {
            try
            {
                long lease = await store.GrantLeaseAsync(s_timeToLive, cancellation);
                try
                {
                    if (await store.CommitAsync([new StoreWrite(key, Encoding.UTF8.GetBytes(name), lease, Expected: 0)], cancellation))
                    {
                        backoff.Reset();
                        await LeadAsync(lease, lead, cancellation);
                    }
                    else
                    {
                        await WaitForEndAsync(cancellation);
                    }
                }
                finally
                {
                    _isLeader = false;
                    await ResignAsync(lease);
                }
            }
            catch (StoreException fault)
            {
                log($"election of {key}: {fault.Message}");
                await backoff.WaitAsync(cancellation);
            }
        }
    }

    private async Task LeadAsync(long lease, Func<CancellationToken, Task> lead, CancellationToken cancellation)
    {
        _isLeader = true;
        using CancellationTokenSource term = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task working = lead(term.Token);
        Task keeping = KeepAsync(lease, term.Token);
        try
        {
            await await Task.WhenAny(working, keeping);
        }
        finally
        {
            _isLeader = false;
            await term.CancelAsync();
            await Task.WhenAll(Ended(working), Ended(keeping));
        }
    }

    private async Task KeepAsync(long lease, CancellationToken cancellation)
    {
        long last = time.GetTimestamp();
        while (true)
        {
            await Task.Delay(s_timeToLive / 5, time, cancellation);
            try
            {
                if (!await store.KeepLeaseAliveAsync(lease, cancellation))
                {
                    throw new StoreException(StoreFault.Unavailable, "the leader's lease has expired");
                }

                last = time.GetTimestamp();
            }
            catch (StoreException fault) when (fault.Fault == StoreFault.Unavailable && time.GetElapsedTime(last) < s_timeToLive * 0.8)
            {
                // There is time for another try before somebody else leads.
            }
        }
    }

    private async Task WaitForEndAsync(CancellationToken cancellation)
    {
        if (await store.GetAsync(key, cancellation) is not StoreEntry leader)
        {
            return;
        }

        await foreach (StoreBatch batch in store.WatchAsync(key, leader.Revision + 1, cancellation))
        {
            if (batch.Changes.Any(c => c.Key == key && c.Value is null))
            {
                return;
            }
        }
    }

    private async Task ResignAsync(long lease)
    {
        try
        {
            using CancellationTokenSource limit = new(TimeSpan.FromSeconds(2), time);
            await store.RevokeLeaseAsync(lease, limit.Token);
        }
        catch (Exception fault) when (fault is StoreException or OperationCanceledException or ObjectDisposedException)
        {
            // It expires by itself.
        }
    }

    private static Task Ended(Task task) => task.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
}
