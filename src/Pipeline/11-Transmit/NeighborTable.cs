using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// MAC addresses of the neighbours on the node network, and the asking for them: written by NeighborDiscovery (answers) and
/// TransmitStage (needs). Packets wait in the <see cref="Outbox"/> meanwhile. One owner: the worker.
/// </summary>
public sealed class NeighborTable
{
    /// <summary>RFC 4861 section 10: REACHABLE_TIME 30 s, RETRANS_TIMER 1 s, MAX_UNICAST_SOLICIT 3.</summary>
    private const int ReachableSeconds = 30;

    private const int RetransmitSeconds = 1;
    private const int MaxAttempts = 3;

    /// <summary>A failed neighbour is forgotten after this, so that scans of the link do not fill the table.</summary>
    private const int ForgetSeconds = 30;

    /// <summary>A neighbour in use is confirmed each time it stops being reachable; one without confirmation for twice as long is not in use.</summary>
    private const int UnusedSeconds = 2 * ReachableSeconds;

    /// <summary>Entries looked at for one that can give way to a new neighbour.</summary>
    private const int MaxCandidates = 32;

    /// <summary>Strangers that each port may have asked for: a pod that scans the link asks for no more, and the others' next hops have theirs.</summary>
    internal const int QuestionsPerSecond = 250;

    internal const int QuestionBurstCount = 128;

    private const long QuestionIntervalNanoseconds = 1_000_000_000 / QuestionsPerSecond;

    /// <summary>By port: when its bucket of questions will be full again, in nanoseconds.</summary>
    private readonly long[] _fullAt = new long[Port.MaxCount];
    private readonly NeighborEntry[] _entries;
    private readonly FlowIndex _index;
    private readonly Outbox _outbox;
    private readonly ulong _seed;
    private readonly NeighborNews[] _news;
    private int _newsCount;
    private int _nextCandidate;

    /// <param name="newsCapacity">Room for what other workers are to be told; 0 where there are none.</param>
    public NeighborTable(int capacity, Outbox outbox, ulong seed, int newsCapacity = 0)
    {
        _news = new NeighborNews[newsCapacity];
        _entries = new NeighborEntry[capacity];
        _index = new FlowIndex(capacity);
        _outbox = outbox;
        _seed = seed;
    }

    public int Count { get; private set; }

    public int Capacity => _entries.Length;

    /// <summary>Neighbours that gave way to others in a full table, those that found no room, questions that left, and those that were one too many for a port.</summary>
    public ulong EvictedCount { get; private set; }

    public ulong FailureCount { get; private set; }

    public ulong QuestionCount { get; private set; }

    public ulong LimitedCount { get; private set; }

    /// <summary>Counts up when a neighbour that can be sent to comes, goes or has another MAC. Others may read it while the worker runs.</summary>
    public ulong ChangeCount { get; private set; }

    /// <summary>What was learned since <see cref="ClearNews"/>, in that order, for the other workers.</summary>
    public ReadOnlySpan<NeighborNews> News => _news.AsSpan(0, _newsCount);

    public ref readonly NeighborEntry this[int index] => ref _entries[index];

    /// <summary>The MAC to use now. Using one that was not confirmed lately has it confirmed.</summary>
    public bool TryResolve(IpAddress address, MonoTime now, out MacAddress mac) => TryResolveAt(Find(address), now, out mac);

    /// <summary>As <see cref="TryResolve(IpAddress, MonoTime, out MacAddress)"/>, for one who knows where the neighbour was lately.</summary>
    public bool TryResolve(IpAddress address, int lately, MonoTime now, out MacAddress mac) =>
        TryResolveAt(lately < Count && _entries[lately].Address == address ? lately : Find(address), now, out mac);

    /// <summary>Where the neighbour is now, or -1.</summary>
    public int IndexOf(IpAddress address) => Find(address);

    /// <summary>As <see cref="Solicit(IpAddress, Port, MonoTime)"/>, for a packet of a port, which may have so many strangers asked for.</summary>
    public bool Solicit(IpAddress address, Port uplink, int ingressPort, MonoTime now)
    {
        int index = Find(address);
        bool isQuestion = index < 0 || _entries[index].State == NeighborState.Failed;
        if (isQuestion && _fullAt[ingressPort] - now.Nanoseconds > (QuestionBurstCount - 1) * QuestionIntervalNanoseconds)
        {
            LimitedCount++;
            return false;
        }

        if (isQuestion)
        {
            _fullAt[ingressPort] = Math.Max(_fullAt[ingressPort], now.Nanoseconds) + QuestionIntervalNanoseconds;
        }

        return Solicit(address, uplink, now);
    }

    /// <summary>Asks for a neighbour that is not known, unless that is under way. False when the table is full of neighbours in use.</summary>
    public bool Solicit(IpAddress address, Port uplink, MonoTime now)
    {
        int index = Find(address);
        if (index < 0 && !TryAdd(address, now, out index))
        {
            return false;
        }

        ref NeighborEntry entry = ref _entries[index];
        if (entry.State == NeighborState.Failed)
        {
            entry.State = NeighborState.Incomplete;
            entry.Attempts = 0;
            Ask(ref entry, uplink, now);
        }

        return true;
    }

    /// <summary>What an ARP packet or a neighbour message said.</summary>
    /// <param name="isSolicited">It answers our question, and so proves that the neighbour hears us.</param>
    /// <param name="create">Take it up even if nobody asked: the neighbour is about to talk to us.</param>
    public void Learn(IpAddress address, MacAddress mac, bool isSolicited, bool create, MonoTime now)
    {
        Tell(new NeighborNews(address, mac, isSolicited, create));
        Apply(address, mac, isSolicited, create, now);
    }

    /// <summary>An answer that names no MAC: the one that was asked is still there (RFC 4861 section 7.2.5).</summary>
    public void Confirm(IpAddress address, MonoTime now)
    {
        Tell(new NeighborNews(address, default, IsSolicited: true, Create: false));
        Apply(address, now);
    }

    /// <summary>What another worker has learned or seen confirmed.</summary>
    public void Take(in NeighborNews news, MonoTime now)
    {
        if (news.Mac == default)
        {
            Apply(news.Address, now);
        }
        else
        {
            Apply(news.Address, news.Mac, news.IsSolicited, news.Create, now);
        }
    }

    public void ClearNews() => _newsCount = 0;

    /// <summary>Repeats questions that are due and gives up on those that were asked often enough.</summary>
    public void Tick(Port uplink, DatapathCounters counters, MonoTime now)
    {
        for (int i = Count - 1; i >= 0; i--)
        {
            ref NeighborEntry entry = ref _entries[i];
            if (entry.State is NeighborState.Incomplete or NeighborState.Probe)
            {
                if (entry.Asked != default && entry.Asked.PlusSeconds(RetransmitSeconds).Nanoseconds > now.Nanoseconds)
                {
                    continue;
                }

                if (entry.Attempts < MaxAttempts)
                {
                    Ask(ref entry, uplink, now);
                    continue;
                }

                ChangeCount += entry.State == NeighborState.Probe ? 1ul : 0;
                entry.State = NeighborState.Failed;
                entry.Changed = now;
                _outbox.Discard(entry.Address, counters);
            }
            else if (entry.State == NeighborState.Failed && entry.Changed.PlusSeconds(ForgetSeconds).Nanoseconds <= now.Nanoseconds)
            {
                Forget(i);
            }
        }
    }

    private void Tell(in NeighborNews news)
    {
        if (_newsCount < _news.Length)
        {
            _news[_newsCount++] = news; // In a flood the others miss some, and ask for themselves what they need.
        }
    }

    private void Apply(IpAddress address, MacAddress mac, bool isSolicited, bool create, MonoTime now)
    {
        int index = Find(address);
        if (mac.IsGroup || mac == default || (index < 0 && (!create || !TryAdd(address, now, out index))))
        {
            return;
        }

        ref NeighborEntry entry = ref _entries[index];
        bool isNews = entry.Mac != mac || entry.State is NeighborState.Incomplete or NeighborState.Failed;
        ChangeCount += isNews ? 1ul : 0;
        entry.Mac = mac;
        if (isSolicited)
        {
            entry.State = NeighborState.Reachable;
            entry.Changed = now;
        }
        else if (isNews)
        {
            entry.State = NeighborState.Stale;
            entry.Changed = now;
        }

        _outbox.Release(address, mac);
    }

    private void Apply(IpAddress address, MonoTime now)
    {
        int index = Find(address);
        if (index >= 0 && _entries[index].State is NeighborState.Reachable or NeighborState.Stale or NeighborState.Probe)
        {
            _entries[index].State = NeighborState.Reachable;
            _entries[index].Changed = now;
        }
    }

    private bool TryResolveAt(int index, MonoTime now, out MacAddress mac)
    {
        mac = index >= 0 ? _entries[index].Mac : default;
        if (index < 0 || _entries[index].State is NeighborState.Incomplete or NeighborState.Failed)
        {
            return false;
        }

        ref NeighborEntry entry = ref _entries[index];
        if (entry.State != NeighborState.Probe && (entry.State == NeighborState.Stale || entry.Changed.PlusSeconds(ReachableSeconds).Nanoseconds <= now.Nanoseconds))
        {
            entry.State = NeighborState.Probe;
            entry.Attempts = 0;
            entry.Asked = default;
        }

        return true;
    }

    private void Ask(ref NeighborEntry entry, Port uplink, MonoTime now)
    {
        foreach (IpAddress own in uplink.Addresses)
        {
            if (own.IsIpv4 != entry.Address.IsIpv4)
            {
                continue;
            }

            if (!_outbox.TryAddSolicitation(uplink, own, entry.Address, entry.State == NeighborState.Probe ? entry.Mac : default))
            {
                return; // The next tick asks: nobody is given up for questions that did not leave.
            }

            break;
        }

        QuestionCount++;
        entry.Asked = now;
        entry.Attempts++;
    }

    /// <summary>Makes an entry, if need be in the place of one that nobody would miss: else a flood of strangers would keep next hops out for ever.</summary>
    private bool TryAdd(IpAddress address, MonoTime now, out int index)
    {
        for (int i = 0; Count == _entries.Length && i < MaxCandidates; i++)
        {
            _nextCandidate = _nextCandidate + 1 < Count ? _nextCandidate + 1 : 0;
            if (IsExpendable(_entries[_nextCandidate], now))
            {
                Forget(_nextCandidate);
                EvictedCount++;
            }
        }

        index = -1;
        if (Count == _entries.Length)
        {
            FailureCount++;
            return false;
        }

        index = Count++;
        _entries[index] = new NeighborEntry { Address = address, State = NeighborState.Failed };
        _index.Add(HashOf(address), index);
        return true;
    }

    private bool IsExpendable(in NeighborEntry entry, MonoTime now) => entry.State switch
    {
        NeighborState.Failed or NeighborState.Stale => true,
        NeighborState.Incomplete => !_outbox.HasHeld(entry.Address),
        NeighborState.Reachable => entry.Changed.PlusSeconds(UnusedSeconds).Nanoseconds <= now.Nanoseconds,
        _ => false,
    };

    private void Forget(int index)
    {
        ChangeCount += _entries[index].IsUsable ? 1ul : 0;
        _index.Remove(HashOf(_entries[index].Address), index);
        int last = --Count;
        if (index != last)
        {
            _index.Remove(HashOf(_entries[last].Address), last);
            _index.Add(HashOf(_entries[last].Address), index);
            _entries[index] = _entries[last];
        }

        _entries[last] = default;
    }

    private int Find(IpAddress address)
    {
        ulong hash = HashOf(address);
        int slot = _index.FirstSlot(hash);
        for (int entry = _index.NextCandidate(hash, ref slot); entry >= 0; entry = _index.NextCandidate(hash, ref slot))
        {
            if (_entries[entry].Address == address)
            {
                return entry;
            }
        }

        return -1;
    }

    private ulong HashOf(IpAddress address) => new FlowKey(address, default, 0, 0, 0).Hash(_seed);
}
