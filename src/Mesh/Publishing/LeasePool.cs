using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Publishing;

/// <summary>Leases for many keys: at most a thousand keys to each, as in Cilium, all kept alive together.</summary>
internal sealed class LeasePool(IClusterStore store, TimeProvider time, TimeSpan timeToLive)
{
    private const int KeysPerLease = 1_000;

    /// <summary>Guards the leases with their counts; one task takes, another keeps.</summary>
    private readonly Lock _counting = new();
    private readonly Dictionary<long, int> _leases = [];

    /// <summary>A lease with room for so many more keys.</summary>
    public async Task<long> TakeAsync(int count, CancellationToken cancellation)
    {
        lock (_counting)
        {
            long known = _leases.FirstOrDefault(l => l.Value + count <= KeysPerLease).Key;
            if (known != 0)
            {
                _leases[known] += count;
                return known;
            }
        }

        long fresh = await store.GrantLeaseAsync(timeToLive, cancellation);
        lock (_counting)
        {
            _leases[fresh] = count;
        }

        return fresh;
    }

    /// <summary>Returns when a lease is lost. Its keys are gone then, and the pool is empty.</summary>
    public async Task KeepAsync(CancellationToken cancellation)
    {
        while (true)
        {
            await Task.Delay(timeToLive / 3, time, cancellation);
            long[] leases;
            lock (_counting)
            {
                leases = [.. _leases.Keys];
            }

            foreach (long lease in leases)
            {
                try
                {
                    if (!await store.KeepLeaseAliveAsync(lease, cancellation))
                    {
                        lock (_counting)
                        {
                            _leases.Clear();
                        }

                        return;
                    }
                }
                catch (StoreException fault) when (fault.Fault == StoreFault.Unavailable)
                {
                    // Two thirds of its time remain for the next rounds.
                }
            }
        }
    }
}
