using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// All flows of the node, preallocated. Read by ServiceStage (a client's choice of backend), ConntrackStage and SNAT's expiry;
/// written by the worker that owns it. Dead entries are swept a slice at a time and never found again after their second.
/// </summary>
public sealed class ConntrackTable
{
    /// <summary>Entries that are looked at, at most, for one that gives way: what a packet of a flood may cost in a table full of established flows.</summary>
    private const int MostLooks = 16;

    private readonly TableRows<ConntrackEntry> _entries;
    private readonly FlowIndex _index;
    private readonly ulong _seed;
    private uint _firstFree;
    private uint _generation;
    private int _sweepPosition;
    private int _hand;
    private bool _isSweepWanted;

    /// <param name="rows">Memory that another process may have left; null for memory of our own.</param>
    /// <param name="sources">Null where sources are not limited.</param>
    public ConntrackTable(int capacity, ulong seed, TableRows<ConntrackEntry>? rows = null, SourceLimits? sources = null)
    {
        Sources = sources;
        _entries = rows ?? new ArrayRows<ConntrackEntry>(capacity);
        _index = new FlowIndex(capacity);
        _seed = seed;
    }

    /// <summary>A table with some of another's entries, for one who wants to see what would become of them. Another's thread may go on with its own.</summary>
    /// <param name="entries">Copies, each key once; the dead among them are as dead here.</param>
    /// <param name="freeCount">Entries beside them.</param>
    public ConntrackTable(ConntrackTable original, IReadOnlyCollection<ConntrackEntry> entries, int freeCount)
        : this(entries.Count + freeCount, original._seed, rows: null, original.Sources is { } sources ? new SourceLimits(sources) : null)
    {
        _generation = original._generation;
        foreach (ConntrackEntry entry in entries)
        {
            int index = TakeFree();
            Write(index, entry);
            _index.Add(entry.Key.Hash(_seed), index);
            Count++;
        }
    }

    /// <summary>How many flows each source may have; null where that is not limited.</summary>
    public SourceLimits? Sources { get; }

    /// <summary>Who gives up new flows of a port that is behind; null where nobody does.</summary>
    public NewFlowGate? Gate { get; init; }

    public int Count { get; private set; }

    /// <summary>Counts up when generations begin anew, after four thousand million entries.</summary>
    public uint Era { get; private set; }

    /// <summary>Packets that found their flow.</summary>
    public ulong FoundCount { get; set; }

    /// <summary>Entries made.</summary>
    public ulong InsertedCount { get; private set; }

    /// <summary>Entries that were removed after their time.</summary>
    public ulong ExpiredCount { get; private set; }

    /// <summary>Entries that were taken away before it.</summary>
    public ulong DeletedCount { get; private set; }

    /// <summary>Flows that had only begun and gave way to others.</summary>
    public ulong EvictedCount { get; private set; }

    /// <summary>Entries that found no room.</summary>
    public ulong FailureCount { get; private set; }

    public int Capacity => _entries.Length;

    /// <summary>Bytes held, all since construction.</summary>
    public long MemoryLength => ((long)_entries.Length * ConntrackEntry.Length) + _index.MemoryLength;

    /// <summary>The entry; meaningful when its flags have Used.</summary>
    public ref ConntrackEntry this[int index] => ref _entries[index];

    /// <summary>All entries, by number, for whoever looks at several.</summary>
    public Span<ConntrackEntry> Entries => _entries.Entries;

    /// <summary>Whether the packet may begin a flow; false, with the reason in the context and counted, when it may not.</summary>
    public bool TryAdmit(ref PacketContext p, MonoTime now)
    {
        p.IsAdmitted = (Gate is not { } gate || gate.TryPass(ref p, now)) && (Sources is not { } sources || sources.TryAdmit(ref p, now));
        return p.IsAdmitted;
    }

    /// <summary>The key under which both directions of a flow are kept: the lower end first.</summary>
    public static FlowKey Ordered(in FlowKey key, out bool swapped)
    {
        swapped = key.Source > key.Destination || (key.Source == key.Destination && key.SourcePort > key.DestinationPort);
        return swapped ? key.Reversed : key;
    }

    /// <summary>Number of the entry with exactly this key, dead or alive, or -1. For those who copy.</summary>
    public int IndexOf(in FlowKey key)
    {
        ulong hash = key.Hash(_seed);
        int slot = _index.FirstSlot(hash);
        int entry = _index.NextCandidate(hash, ref slot);
        while (entry >= 0 && _entries[entry].Key != key)
        {
            entry = _index.NextCandidate(hash, ref slot);
        }

        return entry;
    }

    /// <summary>Number of the live entry with exactly this key, or -1.</summary>
    public int Find(in FlowKey key, MonoTime now)
    {
        Span<ConntrackEntry> entries = _entries.Entries;
        ulong hash = key.Hash(_seed);
        int slot = _index.FirstSlot(hash);
        for (int entry = _index.NextCandidate(hash, ref slot); entry >= 0; entry = _index.NextCandidate(hash, ref slot))
        {
            if (entries[entry].Key == key)
            {
                return entries[entry].Expires > now.Seconds ? entry : -1;
            }
        }

        return -1;
    }

    /// <summary>As <see cref="Find(in FlowKey, MonoTime)"/>, for up to 64 keys at once, whose misses overlap.</summary>
    public void Find(ReadOnlySpan<FlowKey> keys, Span<int> found, MonoTime now)
    {
        Span<ulong> hashes = stackalloc ulong[Burst.MaxCount];
        hashes = hashes[..keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            hashes[i] = keys[i].Hash(_seed);
        }

        Span<ConntrackEntry> entries = _entries.Entries;
        _index.FirstCandidates(hashes, found);
        for (int i = 0; i < keys.Length; i++)
        {
            ref ConntrackEntry entry = ref entries[Math.Max(found[i], 0)];
            Prefetch.Start(in entry);
            Prefetch.Start(in entry.Expires);
        }

        for (int i = 0; i < keys.Length; i++)
        {
            int entry = found[i];
            if (entry >= 0)
            {
                found[i] = entries[entry].Key == keys[i] ? entries[entry].Expires > now.Seconds ? entry : -1 : Find(keys[i], now);
            }
        }
    }

    /// <summary>
    /// A fresh entry for a key, in place of a dead one of the same key if there is one. In a full table a flow that has only begun gives way
    /// (<see cref="ConntrackState.HasOnlyBegun"/>), the hand going round and round, so that each has a whole round for its answer; -1 when none does.
    /// </summary>
    /// <param name="kept">An entry that the same packet needs, and which does not give way; -1 for none.</param>
    public int Create(in FlowKey key, int kept = -1)
    {
        ulong hash = key.Hash(_seed);
        int slot = _index.FirstSlot(hash);
        for (int old = _index.NextCandidate(hash, ref slot); old >= 0; old = _index.NextCandidate(hash, ref slot))
        {
            if (_entries[old].Key == key)
            {
                InsertedCount++;
                Discount(old);
                Write(old, Fresh(key));
                return old;
            }
        }

        int index = TakeFree();
        if (index < 0)
        {
            _isSweepWanted = true;
            if (!TryMakeRoom(kept))
            {
                FailureCount++;
                return -1;
            }

            index = TakeFree();
        }

        Write(index, Fresh(key));
        _index.Add(hash, index);
        Count++;
        InsertedCount++;
        return index;
    }

    /// <summary>Whether an entry is the one that had this generation, and alive: then looking its key up finds it.</summary>
    public static bool IsAlive(in ConntrackEntry entry, uint generation, MonoTime now) => entry.Generation == generation && entry.Expires > now.Seconds;

    /// <summary>What was remembered of the entry holds no more, for something beside it has changed; the flow goes on.</summary>
    public void Renew(int index) => _entries[index].Generation = NextGeneration();

    /// <summary>Asks for what a packet changes in an entry; -1 is none.</summary>
    public static void PrefetchState(Span<ConntrackEntry> entries, int index)
    {
        if (index >= 0)
        {
            ref ConntrackEntry entry = ref entries[index];
            Prefetch.Start(in entry.Expires);
            Prefetch.Start(in entry.Generation);
        }
    }

    /// <summary>Takes an entry away before its time.</summary>
    public void Remove(int index)
    {
        DeletedCount++;
        Free(index);
    }

    /// <summary>Takes away a flow that has only begun, which gives way to another.</summary>
    public void Evict(int index)
    {
        EvictedCount++;
        Free(index);
    }

    /// <summary>Whether an entry found no room since this was last asked.</summary>
    public bool TakeSweepWanted()
    {
        bool isWanted = _isSweepWanted | (Sources?.TakeSweepWanted() ?? false);
        _isSweepWanted = false;
        return isWanted;
    }

    private void Discount(int index)
    {
        if ((_entries[index].Flags & ConntrackFlags.Counted) != 0)
        {
            Sources?.End(_entries[index]);
        }
    }

    private void Free(int index)
    {
        Discount(index);
        _index.Remove(_entries[index].Key.Hash(_seed), index);
        SetFree(index);
        Count--;
    }

    /// <summary>How many of so many entries could be had now, by what is free and by what would give way. Changes nothing.</summary>
    public int RoomFor(int count)
    {
        int room = Math.Min(count, Capacity - Count);
        int hand = _hand;
        for (int looks = 0; room < count && looks < Math.Min(MostLooks, _entries.Length); looks++)
        {
            if (ConntrackState.HasOnlyBegun(_entries[hand]))
            {
                room++;
                looks = -1;
            }

            hand = hand + 1 == _entries.Length ? 0 : hand + 1;
        }

        return room;
    }

    private bool TryMakeRoom(int kept)
    {
        for (int i = Math.Min(MostLooks, _entries.Length); i > 0; i--)
        {
            int index = _hand;
            _hand = _hand + 1 == _entries.Length ? 0 : _hand + 1;
            if (index != kept && ConntrackState.HasOnlyBegun(_entries[index]))
            {
                Evict(index);
                return true;
            }
        }

        return false;
    }

    private void SetFree(int index)
    {
        Write(index, new ConntrackEntry { BackendId = _firstFree });
        _firstFree = (uint)(index + 1);
    }

    /// <summary>One that was given back, else the first that was never used; -1 when there is none.</summary>
    private int TakeFree()
    {
        int index = (int)_firstFree - 1;
        if (index >= 0)
        {
            _firstFree = _entries[index].BackendId;
            return index;
        }

        index = _entries.UsedCount;
        if (index == _entries.Length)
        {
            return -1;
        }

        _entries.UsedCount = index + 1;
        return index;
    }

    private void Write(int index, in ConntrackEntry entry)
    {
        _entries.BeginWrite(index);
        _entries[index] = entry;
        _entries.EndWrite();
    }

    /// <summary>Removes what has died among the next <paramref name="entryCount"/> entries, round and round.</summary>
    /// <returns>How many were removed.</returns>
    public int Sweep(int entryCount, MonoTime now)
    {
        int removed = 0;
        int usedCount = _entries.UsedCount;
        for (int i = 0; i < entryCount; i++)
        {
            ref ConntrackEntry entry = ref _entries[_sweepPosition];
            if (_sweepPosition < usedCount && (entry.Flags & ConntrackFlags.Used) != 0 && entry.Expires <= now.Seconds)
            {
                Free(_sweepPosition);
                ExpiredCount++;
                removed++;
            }

            if (++_sweepPosition == _entries.Length)
            {
                _sweepPosition = 0;
            }
        }

        return removed;
    }

    /// <summary>Takes up what another process left: the index and the list of free entries are made anew.</summary>
    internal void Restore(FlowRecovery recovery)
    {
        int interrupted = _entries.TakeInterrupted();
        for (int i = _entries.CountUsed() - 1; i >= 0; i--)
        {
            ref ConntrackEntry entry = ref _entries[i];
            bool isUsed = (entry.Flags & ConntrackFlags.Used) != 0 || i == interrupted;
            if (!isUsed || !recovery.Note(i == interrupted ? FlowFate.Broken : Find(entry.Key, default) >= 0 ? FlowFate.Unpaired : recovery.Judge(entry)))
            {
                SetFree(i);
                continue;
            }

            _generation = Math.Max(_generation, entry.Generation);
            _index.Add(entry.Key.Hash(_seed), i);
            Count++;
            Sources?.Recount(ref entry);
        }
    }

    /// <summary>Takes in an entry of another table, whose key is not here; false when there is no room.</summary>
    internal bool TryAdopt(in ConntrackEntry entry)
    {
        int index = TakeFree();
        if (index < 0)
        {
            return false;
        }

        Write(index, entry with { Generation = NextGeneration() });
        _index.Add(entry.Key.Hash(_seed), index);
        Count++;
        Sources?.Recount(ref _entries[index]);
        return true;
    }

    private ConntrackEntry Fresh(in FlowKey key) => new() { Key = key, Flags = ConntrackFlags.Used, Generation = NextGeneration() };

    private uint NextGeneration()
    {
        if (++_generation == 0)
        {
            _generation = 1;
            Era++;
        }

        return _generation;
    }
}
