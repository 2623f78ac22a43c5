namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// Follows everything below a prefix: lists it, then watches from there. After a lost connection it goes on where it was; when that is no
/// longer known (compacted, restored, another etcd), it lists again and tells what has gone meanwhile as deletions, once the list is
/// complete. So what is known is kept over every outage, and only a full list removes.
/// </summary>
/// <param name="take">
/// Given batches in order, one at a time; keys are without the prefix. A value that it does not accept keeps what was known of its key
/// until the next full list, and is then deleted with what is gone. Returns the keys of the batch that it did not accept.
/// </param>
public sealed class PrefixReader(TimeProvider time, Func<IReadOnlyList<StoreChange>, IReadOnlyCollection<string>> take)
{
    /// <summary>
    /// Entries asked for at once. etcd counts the whole rest for each page: 22,000 keys took 5 s in pages of 64, 1 to 1.6 s of 256 (Cilium's),
    /// 0.4 s of 1,000 and 0.2 to 0.4 s of 4,000 from an etcd on the same machine.
    /// </summary>
    private const int PageLength = 1_000;

    /// <summary>Keys followed below one prefix. Whoever has more is broken or hostile; the rest is passed over and said once.</summary>
    public const int KeyLimit = 500_000;

    /// <summary>Bytes of keys and values followed below one prefix.</summary>
    private const long ContentLengthLimit = 512L * 1024 * 1024;

    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Backoff _backoff = new(time);

    /// <summary>Keys that have been told and not taken back: the generation of the list that saw each last, and its bytes.</summary>
    private readonly Dictionary<string, (int Generation, int Length)> _known = new(StringComparer.Ordinal);
    private long _contentLength;
    private int _generation;
    private long _revision;

    /// <summary>Completes with the first full list.</summary>
    public Task Listed => _listed.Task;

    /// <summary>One sentence when keys are passed over for their number, otherwise null.</summary>
    public string? Overflow { get; private set; }

    /// <summary>Keys known now.</summary>
    public int Count => Volatile.Read(ref _count);

    private int _count;

    /// <summary>A timestamp; 0 for never.</summary>
    private long _lastHeard;

    /// <summary>How long the store has not been heard of; null when it never was.</summary>
    public TimeSpan? Silence => Interlocked.Read(ref _lastHeard) is long last and not 0 ? time.GetElapsedTime(last) : null;

    /// <summary>What is told now was found by a list; it may have been written long ago.</summary>
    public bool IsListing { get; private set; }

    /// <summary>Called with each failure, before the pause that follows it.</summary>
    public Action<StoreException>? Failed { get; init; }

    /// <summary>
    /// Runs until cancelled, or until the store turns out to be another one. May be called again, with another store or prefix: what is
    /// known stays, and the first full list corrects it.
    /// </summary>
    public async Task RunAsync(IClusterStore store, string prefix, CancellationToken cancellation)
    {
        _revision = 0;
        while (true)
        {
            try
            {
                if (_revision == 0)
                {
                    await ListAsync(store, prefix, cancellation);
                }

                await WatchAsync(store, prefix, cancellation);
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

    private async Task ListAsync(IClusterStore store, string prefix, CancellationToken cancellation)
    {
        _generation++;
        IsListing = true;
        StorePage? page = null;
        do
        {
            page = await store.ListAsync(prefix, page, PageLength, cancellation);
            Interlocked.Exchange(ref _lastHeard, time.GetTimestamp());
            Tell(prefix, [.. page.Entries.Select(e => new StoreChange(e.Key[prefix.Length..], e.Value, e.Revision))]);
        }
        while (page.Next is not null);

        string[] gone = [.. _known.Where(k => k.Value.Generation != _generation).Select(k => k.Key)];
        Tell(prefix, [.. gone.Select(key => new StoreChange(key, null, page.Revision))]);
        _revision = page.Revision;
        IsListing = false;
        _backoff.Reset();
        _listed.TrySetResult();
    }

    private async Task WatchAsync(IClusterStore store, string prefix, CancellationToken cancellation)
    {
        await foreach (StoreBatch batch in store.WatchAsync(prefix, _revision + 1, cancellation))
        {
            Interlocked.Exchange(ref _lastHeard, time.GetTimestamp());
            _backoff.Reset();
            Tell(prefix, [.. batch.Changes.Select(c => c with { Key = c.Key[prefix.Length..] })]);
            _revision = Math.Max(_revision, batch.Revision);
        }
    }

    private void Tell(string prefix, IReadOnlyList<StoreChange> changes)
    {
        long length = changes.Sum(c => (long)LengthOf(c));
        if (_known.Count + changes.Count > KeyLimit || _contentLength + length > ContentLengthLimit)
        {
            changes = WithinLimit(prefix, changes);
        }

        if (changes.Count == 0)
        {
            return;
        }

        IReadOnlyCollection<string> refused = take(changes);
        HashSet<string>? set = refused.Count == 0 ? null : [.. refused];
        foreach (StoreChange change in changes)
        {
            if (change.Value is not null && set is not null && set.Contains(change.Key))
            {
                continue;
            }

            if (_known.Remove(change.Key, out (int Generation, int Length) old))
            {
                _contentLength -= old.Length;
            }

            if (change.Value is not null)
            {
                _known[change.Key] = (_generation, LengthOf(change));
                _contentLength += LengthOf(change);
            }
        }

        Volatile.Write(ref _count, _known.Count);
    }

    private static int LengthOf(StoreChange change) => change.Key.Length + (change.Value?.Length ?? 0);

    private List<StoreChange> WithinLimit(string prefix, IReadOnlyList<StoreChange> changes)
    {
        int room = KeyLimit - _known.Count;
        long bytes = ContentLengthLimit - _contentLength;
        List<StoreChange> within = [.. changes.Where(c => c.Value is null || ((_known.ContainsKey(c.Key) || room-- > 0) && (bytes -= LengthOf(c)) >= 0))];
        if (within.Count < changes.Count)
        {
            Overflow = $"{prefix} has more than {KeyLimit} keys or {ContentLengthLimit >> 20} MiB; the rest is ignored";
        }

        return within;
    }
}
