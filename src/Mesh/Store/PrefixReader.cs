namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// Follows everything below a prefix: lists it, then watches from there. After a lost connection it goes on where it was; when that is no
/// longer known (compacted, restored, another etcd), it lists again and tells what has gone meanwhile as deletions, once the list is
/// complete. So what is known is kept over every outage, and only a full list removes.
/// </summary>
/// <param name="take">
/// Given batches in order, one at a time. A value that it does not accept keeps what was known of its key until the next full list, and is
/// then deleted with what is gone. Returns the keys of the batch that it did not accept.
/// </param>
public sealed class PrefixReader(IClusterStore store, string prefix, TimeProvider time, Func<IReadOnlyList<StoreChange>, IReadOnlyCollection<string>> take)
{
    /// <summary>
    /// Entries asked for at once. etcd counts the whole rest for each page: 22,000 keys took 5 s in pages of 64, 1 to 1.6 s of 256 (Cilium's),
    /// 0.4 s of 1,000 and 0.2 to 0.4 s of 4,000 from an etcd on the same machine.
    /// </summary>
    private const int PageLength = 1_000;

    /// <summary>Keys followed below one prefix. Whoever has more is broken or hostile; the rest is passed over and said once.</summary>
    public const int KeyLimit = 500_000;

    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Backoff _backoff = new(time);

    /// <summary>Keys that have been told and not taken back; the generation of the list that saw each last.</summary>
    private readonly Dictionary<string, int> _known = new(StringComparer.Ordinal);
    private int _generation;
    private long _revision;

    /// <summary>Completes with the first full list.</summary>
    public Task Listed => _listed.Task;

    /// <summary>One sentence when keys are passed over for their number, otherwise null.</summary>
    public string? Overflow { get; private set; }

    /// <summary>Keys known now.</summary>
    public int Count => Volatile.Read(ref _count);

    private int _count;

    /// <summary>When the store was last heard of.</summary>
    public DateTimeOffset LastHeard { get; private set; }

    /// <summary>Called with each failure, before the pause that follows it.</summary>
    public Action<StoreException>? Failed { get; init; }

    /// <summary>Runs until cancelled, or until the store turns out to be another one.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                if (_revision == 0)
                {
                    await ListAsync(cancellation);
                }

                await WatchAsync(cancellation);
            }
            catch (StoreException fault) when (fault.Fault == StoreFault.Compacted)
            {
                _revision = 0;
            }
            catch (StoreException fault) when (fault.Fault != StoreFault.Replaced)
            {
                Failed?.Invoke(fault);
                await _backoff.WaitAsync(cancellation);
            }
        }
    }

    private async Task ListAsync(CancellationToken cancellation)
    {
        _generation++;
        StorePage? page = null;
        do
        {
            page = await store.ListAsync(prefix, page, PageLength, cancellation);
            LastHeard = time.GetUtcNow();
            Tell([.. page.Entries.Select(e => new StoreChange(e.Key, e.Value, e.Revision))]);
        }
        while (page.Next is not null);

        string[] gone = [.. _known.Where(k => k.Value != _generation).Select(k => k.Key)];
        Tell([.. gone.Select(key => new StoreChange(key, null, page.Revision))]);
        _revision = page.Revision;
        _backoff.Reset();
        _listed.TrySetResult();
    }

    private async Task WatchAsync(CancellationToken cancellation)
    {
        await foreach (StoreBatch batch in store.WatchAsync(prefix, _revision + 1, cancellation))
        {
            LastHeard = time.GetUtcNow();
            _backoff.Reset();
            Tell(batch.Changes);
            _revision = Math.Max(_revision, batch.Revision);
        }
    }

    private void Tell(IReadOnlyList<StoreChange> changes)
    {
        if (_known.Count + changes.Count > KeyLimit)
        {
            changes = WithinLimit(changes);
        }

        if (changes.Count == 0)
        {
            return;
        }

        IReadOnlyCollection<string> refused = take(changes);
        HashSet<string>? set = refused.Count == 0 ? null : [.. refused];
        foreach (StoreChange change in changes)
        {
            if (change.Value is null)
            {
                _known.Remove(change.Key);
            }
            else if (set is null || !set.Contains(change.Key))
            {
                _known[change.Key] = _generation;
            }
        }

        Volatile.Write(ref _count, _known.Count);
    }

    private List<StoreChange> WithinLimit(IReadOnlyList<StoreChange> changes)
    {
        int room = KeyLimit - _known.Count;
        List<StoreChange> within = [.. changes.Where(c => c.Value is null || _known.ContainsKey(c.Key) || room-- > 0)];
        if (within.Count < changes.Count)
        {
            Overflow = $"{prefix} has more than {KeyLimit} keys; the rest is ignored";
        }

        return within;
    }
}
