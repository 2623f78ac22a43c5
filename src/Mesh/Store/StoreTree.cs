namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// The embedded store in memory: entries in the order of their keys, leases, and the last changes for watches that come late or read
/// slowly. Guarded by its owner; revisions are given by it too.
/// </summary>
internal sealed class StoreTree
{
    /// <summary>A watch that is further behind must list again.</summary>
    private const int HistoryLimit = 16_384;

    private readonly Dictionary<string, StoreEntry> _entries = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _keys = new(StringComparer.Ordinal);
    private readonly Queue<StoreChange> _history = new();
    private readonly Dictionary<long, TimeSpan> _leases = [];

    /// <summary>Of the last commit.</summary>
    public long Revision { get; set; } = 1;

    /// <summary>Bytes of keys and values.</summary>
    public long ContentLength { get; private set; }

    /// <summary>Watches can go on from here and later.</summary>
    public long OldestRevision { get; private set; } = 2;

    public IReadOnlyDictionary<long, TimeSpan> Leases => _leases;

    public int Count => _entries.Count;

    public StoreEntry? Get(string key) => _entries.TryGetValue(key, out StoreEntry entry) ? entry : null;

    public long RevisionOf(string key) => _entries.TryGetValue(key, out StoreEntry entry) ? entry.Revision : 0;

    /// <summary>Entries below a prefix, behind a key.</summary>
    public IEnumerable<StoreEntry> Below(string prefix, string after = "")
    {
        string first = string.CompareOrdinal(after, prefix) > 0 ? after : prefix;
        string end = prefix + char.MaxValue;
        return _keys.Count == 0 || string.CompareOrdinal(first, end) > 0
            ? []
            : _keys.GetViewBetween(first, end).Where(k => string.CompareOrdinal(k, after) > 0 && k.StartsWith(prefix, StringComparison.Ordinal)).Select(k => _entries[k]);
    }

    public IEnumerable<StoreEntry> OfLease(long lease) => _entries.Values.Where(e => e.Lease == lease);

    public void Put(StoreEntry entry)
    {
        if (_entries.TryGetValue(entry.Key, out StoreEntry old))
        {
            ContentLength -= old.Key.Length + old.Value.Length;
        }
        else
        {
            _keys.Add(entry.Key);
        }

        ContentLength += entry.Key.Length + entry.Value.Length;
        _entries[entry.Key] = entry;
    }

    public bool Remove(string key)
    {
        if (!_entries.Remove(key, out StoreEntry old))
        {
            return false;
        }

        _keys.Remove(key);
        ContentLength -= old.Key.Length + old.Value.Length;
        return true;
    }

    public void Grant(long lease, TimeSpan timeToLive) => _leases[lease] = timeToLive;

    public void Revoke(long lease) => _leases.Remove(lease);

    public void Remember(StoreChange change)
    {
        _history.Enqueue(change);
        while (_history.Count > HistoryLimit)
        {
            OldestRevision = _history.Dequeue().Revision + 1;
        }
    }

    /// <summary>Nothing before this revision can be watched; so it is after a start.</summary>
    public void ForgetHistory()
    {
        _history.Clear();
        OldestRevision = Revision + 1;
    }

    public List<StoreChange> ChangesSince(string prefix, long fromRevision) =>
        [.. _history.Where(c => c.Revision >= fromRevision && c.Key.StartsWith(prefix, StringComparison.Ordinal))];
}
