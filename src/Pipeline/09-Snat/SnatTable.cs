using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Masqueraded flows by both of their faces, preallocated. A port of the node is taken for each destination anew, so that as many flows fit to
/// each as there are ports. A mapping lives as long as its conntrack entry. One owner: the worker.
/// </summary>
public sealed class SnatTable
{
    /// <summary>Ports tried as Cilium does (bpf/lib/nat.h SNAT_COLLISION_RETRIES).</summary>
    private const int MaxTries = 32;

    /// <summary>More tries than this tell that dead mappings should be swept (SNAT_SIGNAL_THRES).</summary>
    private const int SignalTries = 16;

    /// <summary>
    /// Ports tried beyond Cilium's, so that a destination can have nearly all of them: of 65,535 ports with 65,000 taken one in 123 is free.
    /// </summary>
    private const int LongTries = 4096;

    /// <summary>Mappings that are looked at, at most, for one that gives way.</summary>
    private const int MostLooks = 16;

    /// <summary>Destinations whose last long search was in vain; a power of two.</summary>
    private const int ExhaustedCount = 1024;

    private readonly TableRows<SnatEntry> _entries;
    private readonly FlowIndex _forward;
    private readonly FlowIndex _reverse;
    private readonly ulong _seed;
    private readonly SnatPorts _ports;

    /// <summary>By the destination's hash: the second until which no long search is made for it, as one was in vain.</summary>
    private readonly uint[] _exhaustedUntil = new uint[ExhaustedCount];
    private uint _firstFree;
    private int _sweepPosition;
    private int _hand;

    /// <param name="homes">Null where there is one worker, which gives away every port.</param>
    /// <param name="worker">Whose table this is: only its own ports are given away.</param>
    /// <param name="rows">Memory that another process may have left; null for memory of our own.</param>
    public SnatTable(int capacity, ulong seed, FlowHomes? homes = null, int worker = 0, TableRows<SnatEntry>? rows = null)
        : this(capacity, seed, new SnatPorts(homes, worker, seed), rows)
    {
    }

    private SnatTable(int capacity, ulong seed, SnatPorts ports, TableRows<SnatEntry>? rows = null)
    {
        _ports = ports;
        _entries = rows ?? new ArrayRows<SnatEntry>(capacity);
        _forward = new FlowIndex(capacity);
        _reverse = new FlowIndex(capacity);
        _seed = seed;
    }

    /// <summary>A table with some of another's mappings, for one who wants to see what would become of them. Gives away the same ports.</summary>
    /// <param name="freeCount">Mappings that fit beside them.</param>
    public SnatTable(SnatTable original, IReadOnlyCollection<SnatEntry> entries, int freeCount)
        : this(entries.Count + freeCount, original._seed, original._ports)
    {
        original._exhaustedUntil.CopyTo(_exhaustedUntil, 0);
        foreach (SnatEntry entry in entries)
        {
            Insert(entry);
        }
    }

    public int Count { get; private set; }

    /// <summary>Ports ran short since this was last asked: mappings of flows that are over should be swept.</summary>
    public bool IsSweepWanted { get; private set; }

    /// <summary>Flows that got a mapping.</summary>
    public ulong InsertedCount { get; private set; }

    /// <summary>Ports that were taken when a flow asked for them.</summary>
    public ulong CollisionCount { get; private set; }

    /// <summary>Mappings that gave way to others, as their flow was over or had only begun.</summary>
    public ulong EvictedCount { get; private set; }

    /// <summary>Flows for which none was free.</summary>
    public ulong FailureCount { get; private set; }

    /// <summary>Mappings that went with their flow.</summary>
    public ulong ExpiredCount { get; private set; }

    /// <summary>Mappings that went while their flow may live on.</summary>
    public ulong DeletedCount { get; private set; }

    public int Capacity => _entries.Length;

    /// <summary>Bytes held, all since construction.</summary>
    public long MemoryLength => ((long)_entries.Length * SnatEntry.Length) + _forward.MemoryLength + _reverse.MemoryLength;

    public ref readonly SnatEntry this[int index] => ref _entries[index];

    /// <summary>The mapping of a flow as the client sends it, or -1.</summary>
    public int FindForward(in FlowKey key)
    {
        ulong hash = key.Hash(_seed);
        int slot = _forward.FirstSlot(hash);
        for (int entry = _forward.NextCandidate(hash, ref slot); entry >= 0; entry = _forward.NextCandidate(hash, ref slot))
        {
            if (_entries[entry].Forward == key)
            {
                return entry;
            }
        }

        return -1;
    }

    /// <summary>The mapping whose answers have this key, or -1.</summary>
    public int FindReverse(in FlowKey answer) => FindTranslated(answer.Reversed);

    /// <summary>
    /// The mapping's flow in conntrack, or -1 when that is over. It keeps its mapping until it is swept, which must not open the pod to the world
    /// meanwhile.
    /// </summary>
    public int FlowOf(int index, ConntrackTable conntrack, MonoTime now)
    {
        int flow = conntrack.Find(ConntrackTable.Ordered(_entries[index].Forward, out _), now);
        return flow >= 0 && (conntrack[flow].Flags & ConntrackFlags.Mapped) != 0 ? flow : -1;
    }

    /// <summary>Maps a flow that has no mapping yet.</summary>
    /// <param name="first">First and <paramref name="last"/> port of the range; ICMP ids have none.</param>
    /// <param name="conntrack">Mappings of flows that are over give way.</param>
    /// <returns>The mapping, or -1 when all tried ports are taken or the table is full.</returns>
    public int Create(in FlowKey forward, IpAddress natAddress, ushort first, ushort last, ConntrackTable conntrack, FlowRandom random, MonoTime now)
    {
        bool isIcmp = forward.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        uint low = isIcmp ? 0u : first;
        uint rangeLength = (isIcmp ? ushort.MaxValue : last) - low + 1;
        if (!HasFree)
        {
            MakeRoom(conntrack, now);
        }

        var candidate = new SnatEntry { Forward = forward, NatAddress = natAddress, Created = now.Seconds, IsUsed = true };
        uint port = _ports.FirstChoice(forward, isIcmp, low, rangeLength);
        int tries = MaxTries;
        for (int attempt = 0; HasFree && attempt < tries && _ports.IsOwn(port); attempt++)
        {
            candidate.NatPort = (ushort)port;
            if (TryClaim(candidate.Translated, conntrack, now))
            {
                return Insert(candidate);
            }

            CollisionCount++;
            IsSweepWanted |= attempt == SignalTries;
            if (attempt == MaxTries - 1 && ExhaustedUntil(candidate) <= now.Seconds)
            {
                tries = LongTries;
            }

            // The first collision throws the dice, the following ones walk on; a long search throws each time, for ports are taken in rows.
            bool throws = attempt is 0 or >= MaxTries - 1;
            port = _ports.NextOwn(throws ? low + random.Below(rangeLength) : port + 1, low, rangeLength);
        }

        if (tries == LongTries)
        {
            ExhaustedUntil(candidate) = now.Seconds + 1;
        }

        FailureCount++;
        IsSweepWanted = true;
        return -1;
    }

    /// <summary>
    /// Keeps under whose name a backend answers, for direct server return. Several may have the same face: nothing that is sent to it comes here.
    /// </summary>
    /// <param name="answer">As the backend sends it.</param>
    /// <returns>-1 when the table is full.</returns>
    public int CreateReturn(in FlowKey answer, IpAddress service, ushort port, MonoTime now)
    {
        if (HasFree)
        {
            return Insert(new SnatEntry { Forward = answer, NatAddress = service, NatPort = port, Created = now.Seconds, IsUsed = true, IsReturn = true });
        }

        FailureCount++;
        IsSweepWanted = true;
        return -1;
    }

    /// <summary>Takes a mapping away while its flow may live on: whoever remembers how the flow is translated learns that it has changed.</summary>
    public void Remove(int index, ConntrackTable conntrack, MonoTime now)
    {
        int flow = conntrack.Find(ConntrackTable.Ordered(_entries[index].Forward, out _), now);
        if (flow >= 0)
        {
            conntrack.Renew(flow);
        }

        DeletedCount++;
        Free(index);
    }

    /// <summary>Whether a sweep is wanted, asked by the one who will see to it.</summary>
    public bool TakeSweepWanted()
    {
        bool isWanted = IsSweepWanted;
        IsSweepWanted = false;
        return isWanted;
    }

    /// <summary>Removes, among the next <paramref name="entryCount"/> entries, the mappings whose flow is over.</summary>
    public int Sweep(int entryCount, ConntrackTable conntrack, MonoTime now)
    {
        int removed = 0;
        int usedCount = _entries.UsedCount;
        for (int i = 0; i < entryCount; i++)
        {
            if (_sweepPosition < usedCount && _entries[_sweepPosition].IsUsed && FlowOf(_sweepPosition, conntrack, now) < 0)
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

    /// <summary>Nobody has this face, or nobody any more.</summary>
    private bool TryClaim(in FlowKey translated, ConntrackTable conntrack, MonoTime now)
    {
        int holder = FindTranslated(translated);
        if (holder >= 0 && FlowOf(holder, conntrack, now) < 0)
        {
            Free(holder);
            ExpiredCount++;
            return true;
        }

        return holder < 0;
    }

    /// <summary>A flood of flows to a destination that is full must not cost a long search each.</summary>
    private ref uint ExhaustedUntil(in SnatEntry candidate) =>
        ref _exhaustedUntil[(candidate.Translated with { SourcePort = 0 }).Hash(_seed) & (ExhaustedCount - 1)];

    private void Free(int index)
    {
        SnatEntry entry = _entries[index];
        _forward.Remove(entry.Forward.Hash(_seed), index);
        if (!entry.IsReturn)
        {
            _reverse.Remove(entry.Translated.Hash(_seed), index);
        }

        SetFree(index);
        Count--;
    }

    /// <summary>In a full table mappings of flows that are over give way, and with them flows that have only begun.</summary>
    private void MakeRoom(ConntrackTable conntrack, MonoTime now)
    {
        for (int i = Math.Min(MostLooks, _entries.Length); i > 0 && !HasFree; i--)
        {
            int index = _hand;
            _hand = _hand + 1 == _entries.Length ? 0 : _hand + 1;
            int flow = FlowOf(index, conntrack, now);
            if (flow >= 0 && ConntrackState.HasOnlyBegun(conntrack[flow]))
            {
                conntrack.Evict(flow);
                flow = -1;
            }

            if (flow < 0)
            {
                Free(index);
                EvictedCount++;
            }
        }
    }

    private bool HasFree => _firstFree != 0 || _entries.UsedCount < _entries.Length;

    private void SetFree(int index)
    {
        Write(index, new SnatEntry { Created = _firstFree });
        _firstFree = (uint)(index + 1);
    }

    private void Write(int index, in SnatEntry entry)
    {
        _entries.BeginWrite(index);
        _entries[index] = entry;
        _entries.EndWrite();
    }

    /// <summary>Takes up what another process left, behind its conntrack entries: the indexes and the list of free entries are made anew.</summary>
    internal void Restore(FlowRecovery recovery, ConntrackTable conntrack)
    {
        int interrupted = _entries.TakeInterrupted();
        for (int i = _entries.CountUsed() - 1; i >= 0; i--)
        {
            if ((!_entries[i].IsUsed && i != interrupted) || !recovery.Note(i == interrupted ? FlowFate.Broken : Judge(i, recovery, conntrack)))
            {
                SetFree(i);
                continue;
            }

            _forward.Add(_entries[i].Forward.Hash(_seed), i);
            if (!_entries[i].IsReturn)
            {
                _reverse.Add(_entries[i].Translated.Hash(_seed), i);
            }

            Count++;
        }
    }

    /// <summary>Takes in a mapping of another table whose flow is here.</summary>
    internal FlowFate Adopt(in SnatEntry entry)
    {
        FlowFate fate = !entry.IsReturn && !_ports.IsOwn(entry.NatPort) ? FlowFate.Displaced
            : FindForward(entry.Forward) >= 0 || (!entry.IsReturn && FindTranslated(entry.Translated) >= 0) ? FlowFate.Unpaired
            : HasFree ? FlowFate.Kept : FlowFate.NoRoom;
        if (fate == FlowFate.Kept)
        {
            Insert(entry);
            InsertedCount--; // Counts flows that got one here.
        }

        return fate;
    }

    private FlowFate Judge(int index, FlowRecovery recovery, ConntrackTable conntrack)
    {
        SnatEntry entry = _entries[index];
        FlowFate fate = recovery.Judge(entry);
        bool isPaired = FlowOf(index, conntrack, recovery.Now) >= 0 && FindForward(entry.Forward) < 0
            && (entry.IsReturn || (FindTranslated(entry.Translated) < 0 && _ports.IsOwn(entry.NatPort)));
        return fate == FlowFate.Kept && !isPaired ? FlowFate.Unpaired : fate;
    }

    private int FindTranslated(in FlowKey translated)
    {
        ulong hash = translated.Hash(_seed);
        int slot = _reverse.FirstSlot(hash);
        for (int entry = _reverse.NextCandidate(hash, ref slot); entry >= 0; entry = _reverse.NextCandidate(hash, ref slot))
        {
            if (_entries[entry].Translated == translated)
            {
                return entry;
            }
        }

        return -1;
    }

    private int Insert(in SnatEntry entry)
    {
        int index = (int)_firstFree - 1;
        if (index >= 0)
        {
            _firstFree = _entries[index].Created;
        }
        else
        {
            index = _entries.UsedCount++;
        }

        Write(index, entry);
        _forward.Add(entry.Forward.Hash(_seed), index);
        if (!entry.IsReturn)
        {
            _reverse.Add(entry.Translated.Hash(_seed), index);
        }

        Count++;
        InsertedCount++;
        return index;
    }
}
