using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Publishing;

/// <summary>
/// Keeps the cluster's keys in etcd what they should be, while this agent leads: records under leases, then the canaries, last the
/// cluster's configuration, and the heartbeat every minute. It watches its own keys and repairs at once what somebody else changes, adds
/// or deletes there, the expiry of a lease included.
/// </summary>
public sealed class Publisher
{
    private static readonly TimeSpan s_heartbeat = TimeSpan.FromMinutes(1);

    /// <summary>Everything is compared again so often, whether or not a change was seen.</summary>
    private static readonly TimeSpan s_enforce = TimeSpan.FromMinutes(5);

    private readonly IClusterStore _store;
    private readonly PublishedPlace _place;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;

    /// <summary>Guards what stands in the store as far as its watches have told.</summary>
    private readonly Lock _seeing = new();
    private readonly Dictionary<string, byte[]> _actual = new(StringComparer.Ordinal);

    /// <summary>Keys that were written under the leases of this term.</summary>
    private readonly HashSet<string> _own = new(StringComparer.Ordinal);
    private readonly Dictionary<string, byte[]> _canaries = new(StringComparer.Ordinal);
    private IReadOnlyDictionary<string, byte[]>? _wanted;
    private TaskCompletionSource _work = NewSignal();
    private long _repairCount;

    public Publisher(IClusterStore store, PublishedPlace place, TimeProvider time, Action<string> log) =>
        (_store, _place, _time, _log) = (store, place, time, log);

    /// <summary>How long the keys outlive whoever keeps them; Cilium's.</summary>
    public TimeSpan LeaseTime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Keys that were found other than they were written, since the start.</summary>
    public long RepairCount => Interlocked.Read(ref _repairCount);

    /// <summary>What shall be published from now on. Nothing is written before the first call.</summary>
    public void Publish(IReadOnlyDictionary<string, byte[]> records)
    {
        Volatile.Write(ref _wanted, records);
        Wake();
    }

    /// <summary>Runs for one term as leader.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        lock (_seeing)
        {
            _actual.Clear();
            _own.Clear();
        }

        using CancellationTokenSource term = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        LeasePool leases = new(_store, _time, LeaseTime);
        string[] prefixes = [.. _place.Prefixes, _place.CanaryPrefix, _place.ConfigKey];
        PrefixReader[] readers = [.. prefixes.Select(prefix => new PrefixReader(_time, changes => See(prefix, changes)))];
        List<Task> running = [.. readers.Zip(prefixes, (reader, prefix) => reader.RunAsync(_store, prefix, term.Token))];
        try
        {
            Task listed = Task.WhenAll(readers.Select(r => r.Listed));
            await await Task.WhenAny([listed, .. running]);
            running.Add(ReconcileAsync(leases, term.Token));
            if (_place.HasHeartbeat)
            {
                running.Add(BeatAsync(term.Token));
            }

            running.Add(KeepLeasesAsync(leases, term.Token));
            await await Task.WhenAny(running);
        }
        finally
        {
            await term.CancelAsync();
            await Task.WhenAll(running.Select(t => t.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default)));
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Wake() => Interlocked.Exchange(ref _work, NewSignal()).TrySetResult();

    private IReadOnlyCollection<string> See(string prefix, IReadOnlyList<StoreChange> changes)
    {
        lock (_seeing)
        {
            foreach (StoreChange change in changes)
            {
                string key = prefix + change.Key;
                if (change.Value is ReadOnlyMemory<byte> value)
                {
                    _actual[key] = value.ToArray();
                }
                else
                {
                    _actual.Remove(key);
                    _own.Remove(key);
                }
            }
        }

        Wake();
        return [];
    }

    private async Task ReconcileAsync(LeasePool leases, CancellationToken cancellation)
    {
        Backoff backoff = new(_time);
        while (true)
        {
            Task work = Volatile.Read(ref _work).Task;
            try
            {
                if (Volatile.Read(ref _wanted) is IReadOnlyDictionary<string, byte[]> wanted)
                {
                    await WriteAsync(leases, wanted, complete: true, cancellation);
                    await WriteAsync(leases, Canaries(), complete: false, cancellation);
                    await WriteAsync(leases, new Dictionary<string, byte[]> { [_place.ConfigKey] = _place.Config }, complete: false, cancellation);
                }

                backoff.Reset();
            }
            catch (StoreException fault) when (fault.Fault is StoreFault.Unavailable or StoreFault.Full or StoreFault.Refused)
            {
                _log($"publishing: {fault.Message}");
                await backoff.WaitAsync(cancellation);
                continue;
            }

            try
            {
                await work.WaitAsync(s_enforce, _time, cancellation);
            }
            catch (TimeoutException)
            {
                // Time for the regular look.
            }
        }
    }

    /// <param name="complete">Keys of the records' prefixes that are not wanted are deleted.</param>
    private async Task WriteAsync(LeasePool leases, IReadOnlyDictionary<string, byte[]> wanted, bool complete, CancellationToken cancellation)
    {
        List<StoreWrite> writes = [];
        lock (_seeing)
        {
            foreach ((string key, byte[] value) in wanted)
            {
                bool same = _actual.TryGetValue(key, out byte[]? actual) && actual.AsSpan().SequenceEqual(value);
                if (!same && actual is not null && _own.Contains(key))
                {
                    Interlocked.Increment(ref _repairCount);
                }

                if (!same || !_own.Contains(key))
                {
                    writes.Add(new StoreWrite(key, value));
                }
            }

            if (complete)
            {
                writes.AddRange(_actual.Keys.Where(k => !wanted.ContainsKey(k) && _place.Prefixes.Any(p => k.StartsWith(p, StringComparison.Ordinal))).Select(k => new StoreWrite(k, null)));
            }
        }

        foreach (StoreWrite[] chunk in writes.Chunk(StoreWrite.MostAtOnce))
        {
            int puts = chunk.Count(w => w.Value is not null && !_own.Contains(w.Key));
            long lease = chunk.Any(w => w.Value is not null) ? await leases.TakeAsync(puts, cancellation) : 0;
            await _store.CommitAsync([.. chunk.Select(w => w.Value is null ? w : w with { Lease = lease })], cancellation);
            lock (_seeing)
            {
                foreach (StoreWrite write in chunk)
                {
                    if (write.Value is ReadOnlyMemory<byte> value)
                    {
                        _actual[write.Key] = value.ToArray();
                        _own.Add(write.Key);
                    }
                    else
                    {
                        _actual.Remove(write.Key);
                        _own.Remove(write.Key);
                    }
                }
            }
        }
    }

    /// <summary>One for each kind; the time of a canary is that of its first writing.</summary>
    private Dictionary<string, byte[]> Canaries()
    {
        foreach (string canary in _place.Canaries)
        {
            _canaries.TryAdd(canary, Now());
        }

        return _canaries;
    }

    private async Task BeatAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(_time);
        long lease = 0;
        while (true)
        {
            try
            {
                if (lease == 0 || !await _store.KeepLeaseAliveAsync(lease, cancellation))
                {
                    lease = await _store.GrantLeaseAsync(LeaseTime, cancellation);
                }

                await _store.CommitAsync([new StoreWrite(MeshKeys.Heartbeat, Now(), lease)], cancellation);
                backoff.Reset();
            }
            catch (StoreException fault) when (fault.Fault is StoreFault.Unavailable or StoreFault.Full or StoreFault.Refused)
            {
                await backoff.WaitAsync(cancellation);
                continue;
            }

            await Task.Delay(LeaseTime < 2 * s_heartbeat ? LeaseTime / 3 : s_heartbeat, _time, cancellation);
        }
    }

    private async Task KeepLeasesAsync(LeasePool leases, CancellationToken cancellation)
    {
        while (true)
        {
            await leases.KeepAsync(cancellation);
            _log("publishing: a lease was lost; all keys are written again");
            lock (_seeing)
            {
                _own.Clear();
            }

            Wake();
        }
    }

    private byte[] Now() => Encoding.ASCII.GetBytes(_time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
}
