using System.Runtime.CompilerServices;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// The cluster store of a node that is alone: everything in memory, each commit in a journal on disk before it is answered. Survives
/// SIGKILL and power loss at any moment with every answered commit; on a full disk it refuses and stays as it was.
/// </summary>
public sealed class EmbeddedStore : IClusterStore
{
    private const long ContentLengthLimit = 512L * 1024 * 1024;
    private const long SmallestRewrite = 4 * 1024 * 1024;
    private const int EntriesPerRecord = 1_000;

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly Journal _journal;
    private readonly StoreTree _tree = new();

    /// <summary>Held by who commits, across the disk; <see cref="_reading"/> guards the tree for the moment that memory changes.</summary>
    private readonly SemaphoreSlim _committing = new(1, 1);
    private readonly Lock _reading = new();
    /// <summary>By the clock that no one sets: a jump of the wall clock ends no lease.</summary>
    private readonly Dictionary<long, TimeSpan> _deadlines = [];
    private readonly ITimer _expiry;
    private readonly CancellationTokenSource _closing = new();
    private TaskCompletionSource _changed = NewSignal();
    private long _rewriteAt = SmallestRewrite;
    private volatile StoreHealth _health;

    private EmbeddedStore(string path, TimeProvider time)
    {
        _path = path;
        _time = time;
        _journal = Journal.Open(path, payload => CommitRecord.Replay(payload, _tree));
        _tree.ForgetHistory();
        _health = new StoreHealth(true, path);
        foreach ((long lease, TimeSpan timeToLive) in _tree.Leases)
        {
            _deadlines[lease] = Now + timeToLive;
        }

        _expiry = time.CreateTimer(_ => _ = ExpireAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        ScheduleExpiry();
    }

    public StoreHealth Health => _health;

    /// <summary>How many keys there are.</summary>
    public int Count => Reading(() => _tree.Count);

    /// <param name="directory">Made when missing; one store only.</param>
    /// <exception cref="StoreException">It is another process's, unreadable or damaged.</exception>
    public static EmbeddedStore Open(string directory, TimeProvider time) => new(Path.Combine(directory, "store.journal"), time);

    public Task<StoreEntry?> GetAsync(string key, CancellationToken cancellation = default) => Task.FromResult(Reading(() => _tree.Get(key)));

    public Task<StorePage> ListAsync(string prefix, StorePage? previous, int limit, CancellationToken cancellation = default) => Task.FromResult(Reading(() =>
    {
        StoreEntry[] found = [.. _tree.Below(prefix, previous?.Next as string ?? "").Take(limit + 1)];
        bool more = found.Length > limit;
        return new StorePage(more ? found[..limit] : found, previous?.Revision ?? _tree.Revision, more ? found[limit - 1].Key : null);
    }));

    public async Task<bool> CommitAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellation = default)
    {
        CommitRules.Check(writes);
        await _committing.WaitAsync(cancellation);
        try
        {
            if (writes.Any(w => w.Expected is long expected && _tree.RevisionOf(w.Key) != expected))
            {
                return false;
            }

            if (writes.Any(w => w.Lease != 0 && !_tree.Leases.ContainsKey(w.Lease)))
            {
                throw new StoreException(StoreFault.Refused, $"{_path}: the lease has expired; grant a new one");
            }

            Commit(writes, []);
            return true;
        }
        finally
        {
            _committing.Release();
        }
    }

    public async Task DeletePrefixAsync(string prefix, CancellationToken cancellation = default)
    {
        await _committing.WaitAsync(cancellation);
        try
        {
            Commit([.. _tree.Below(prefix).Select(e => new StoreWrite(e.Key, null))], []);
        }
        finally
        {
            _committing.Release();
        }
    }

    public async Task<long> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken cancellation = default)
    {
        await _committing.WaitAsync(cancellation);
        try
        {
            // The revision moves with each grant, so that no two leases have one number, not even over a restart.
            using CommitRecord record = new(_tree.Revision + 1);
            record.Grant(_tree.Revision + 1, timeToLive);
            Append(record);
            lock (_reading)
            {
                _tree.Grant(++_tree.Revision, timeToLive);
                _deadlines[_tree.Revision] = Now + timeToLive;
                ScheduleExpiry();
                return _tree.Revision;
            }
        }
        finally
        {
            _committing.Release();
        }
    }

    public Task<bool> KeepLeaseAliveAsync(long lease, CancellationToken cancellation = default) => Task.FromResult(Reading(() =>
    {
        if (!_tree.Leases.TryGetValue(lease, out TimeSpan timeToLive))
        {
            return false;
        }

        _deadlines[lease] = Now + timeToLive;
        ScheduleExpiry();
        return true;
    }));

    public async Task RevokeLeaseAsync(long lease, CancellationToken cancellation = default)
    {
        await _committing.WaitAsync(cancellation);
        try
        {
            Revoke([lease]);
        }
        finally
        {
            _committing.Release();
        }
    }

    public async IAsyncEnumerable<StoreBatch> WatchAsync(string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _closing.Token);
        long next = fromRevision;
        bool stands = false;
        while (true)
        {
            List<StoreChange> changes;
            Task changed;
            long revision;
            lock (_reading)
            {
                if (next < _tree.OldestRevision || next > _tree.Revision + 1)
                {
                    throw new StoreException(StoreFault.Compacted, $"{_path}: revision {next} is no longer known");
                }

                changes = _tree.ChangesSince(prefix, next);
                revision = _tree.Revision;
                changed = _changed.Task;
            }

            next = revision + 1;
            if (!stands)
            {
                stands = true;
                yield return new StoreBatch([], fromRevision - 1);
            }

            if (changes.Count > 0)
            {
                yield return new StoreBatch(changes, revision);
            }

            await changed.WaitAsync(ending.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested)
        {
            return;
        }

        await _closing.CancelAsync();
        await _expiry.DisposeAsync();
        await _committing.WaitAsync();
        _journal.Dispose();
        _health = new StoreHealth(false, $"{_path}: closed");
    }

    private TimeSpan Now => _time.GetElapsedTime(0);

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Writes and revokes in one record. Called by who holds the right to commit.</summary>
    private void Commit(IReadOnlyList<StoreWrite> writes, long[] revoked)
    {
        writes = [.. writes.Where(w => w.Value is not null || _tree.Get(w.Key) is not null)];
        if (writes.Count == 0 && revoked.Length == 0)
        {
            return;
        }

        if (_tree.ContentLength + writes.Sum(w => (long)(w.Value?.Length ?? 0)) > ContentLengthLimit)
        {
            throw new StoreException(StoreFault.Full, $"{_path}: the store holds {ContentLengthLimit >> 20} MiB, its limit; nothing was stored; delete objects that are not needed");
        }

        long revision = _tree.Revision + 1;
        using CommitRecord record = new(revision);
        foreach (StoreWrite write in writes)
        {
            if (write.Value is ReadOnlyMemory<byte> value)
            {
                record.Put(new StoreEntry(write.Key, value, revision, write.Lease));
            }
            else
            {
                record.Delete(write.Key);
            }
        }

        foreach (long lease in revoked)
        {
            record.Revoke(lease);
        }

        Append(record);
        lock (_reading)
        {
            _tree.Revision = revision;
            foreach (StoreWrite write in writes)
            {
                if (write.Value is ReadOnlyMemory<byte> value)
                {
                    // The caller may use its buffer again.
                    _tree.Put(new StoreEntry(write.Key, value.ToArray(), revision, write.Lease));
                }
                else
                {
                    _tree.Remove(write.Key);
                }

                _tree.Remember(new StoreChange(write.Key, _tree.Get(write.Key)?.Value, revision));
            }

            foreach (long lease in revoked)
            {
                _tree.Revoke(lease);
                _deadlines.Remove(lease);
            }

            Interlocked.Exchange(ref _changed, NewSignal()).SetResult();
        }

        RewriteIfLong();
    }

    private void Append(CommitRecord record)
    {
        ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
        try
        {
            _journal.Append(record.ToBytes());
            _health = new StoreHealth(true, _path);
        }
        catch (StoreException fault)
        {
            _health = new StoreHealth(false, fault.Message);
            throw;
        }
    }

    /// <summary>A journal of mostly overwritten values is replaced by one of what is there. It may fail, the old one is as good.</summary>
    private void RewriteIfLong()
    {
        if (_journal.Length < _rewriteAt)
        {
            return;
        }

        try
        {
            _journal.Replace(Snapshot());
            _rewriteAt = Math.Max(SmallestRewrite, 2 * _journal.Length);
        }
        catch (StoreException)
        {
            _rewriteAt = 2 * _journal.Length;
        }
    }

    private IEnumerable<byte[]> Snapshot()
    {
        using CommitRecord leases = new(_tree.Revision);
        foreach ((long lease, TimeSpan timeToLive) in _tree.Leases)
        {
            leases.Grant(lease, timeToLive);
        }

        yield return leases.ToBytes();
        foreach (StoreEntry[] chunk in _tree.Below("").Chunk(EntriesPerRecord))
        {
            using CommitRecord record = new(_tree.Revision);
            foreach (StoreEntry entry in chunk)
            {
                record.Put(entry);
            }

            yield return record.ToBytes();
        }
    }

    private async Task ExpireAsync()
    {
        try
        {
            await _committing.WaitAsync(_closing.Token);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        try
        {
            long[] expired;
            lock (_reading)
            {
                expired = [.. _deadlines.Where(d => d.Value <= Now).Select(d => d.Key)];
            }

            Revoke(expired);
        }
        catch (StoreException)
        {
            // A full disk: the health says so, and the next round tries again.
        }
        finally
        {
            _committing.Release();
            lock (_reading)
            {
                ScheduleExpiry();
            }
        }
    }

    private void Revoke(IReadOnlyList<long> leases)
    {
        long[] known = [.. leases.Where(_tree.Leases.ContainsKey)];
        Commit([.. known.SelectMany(_tree.OfLease).Select(e => new StoreWrite(e.Key, null))], known);
    }

    /// <summary>Called under the lock of the tree.</summary>
    private void ScheduleExpiry()
    {
        if (_deadlines.Count == 0 || _closing.IsCancellationRequested)
        {
            return;
        }

        TimeSpan wait = _deadlines.Values.Min() - Now;
        // A deadline that is past and could not be kept is tried again in a second.
        _expiry.Change(wait > TimeSpan.Zero ? wait : TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
    }

    private T Reading<T>(Func<T> read)
    {
        lock (_reading)
        {
            return read();
        }
    }
}
