using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// How many flows each source has and begins: asked where a new flow is about to be made, by ServiceStage or ConntrackStage, and told by the conntrack
/// table when flows come and go (docs/decisions/0056). Preallocated: sets of eight places, by the hash of the source. In a full set the source with the
/// fewest flows is forgotten, which only makes the node more lenient with it. One owner: the worker.
/// </summary>
public sealed class SourceLimits
{
    private const int SetLength = 8;

    /// <summary>Sources that are kept in mind: 2 MiB.</summary>
    private const int PlaceCount = 65_536;

    /// <summary>Flows that are over count until they are swept: a source at its limit has that done, but not without a pause.</summary>
    private const int SweepPauseSeconds = 10;

    private const long SecondNanoseconds = 1_000_000_000;

    private readonly SourceEntry[] _entries;
    private readonly SourceLimitRules _rules;
    private readonly ulong _seed;
    private uint _nextSweep;
    private bool _isSweepWanted;

    public SourceLimits(SourceLimitRules rules, ulong seed, int placeCount = PlaceCount)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(BitOperations.IsPow2(placeCount) && placeCount >= SetLength, true);
        _entries = new SourceEntry[placeCount];
        _rules = rules;
        _seed = seed;
    }

    /// <summary>A copy for one who wants to see what would become of a packet. The original's thread may go on: a place that it writes meanwhile may be missed.</summary>
    public SourceLimits(SourceLimits original)
    {
        _entries = original._entries.AsSpan().ToArray();
        _rules = original._rules;
        _seed = original._seed;
    }

    /// <summary>New flows that were refused: their source had begun too many in the last second, or had as many as it may.</summary>
    public ulong NewFlowsLimitedCount { get; private set; }

    public ulong FlowsLimitedCount { get; private set; }

    /// <summary>Sources that were forgotten while they had flows, because others needed the place.</summary>
    public ulong EvictedCount { get; private set; }

    /// <summary>Whether the packet's source may begin a flow; false, with the reason in the context and counted, when it may not.</summary>
    public bool TryAdmit(ref PacketContext p, MonoTime now)
    {
        bool isPod = p.IngressKind == PortKind.Endpoint;
        int most = isPod ? _rules.PodFlowCount : _rules.OuterFlowCount;
        int perSecond = isPod ? _rules.PodNewPerSecond : _rules.OuterNewPerSecond;
        if (p.IngressKind == PortKind.Host || (most | perSecond) == 0)
        {
            return true;
        }

        ref SourceEntry entry = ref Take(SourceOf(p.ReceivedKey.Source, isPod));
        entry.LastSeen = now.Seconds;
        if (most > 0 && entry.FlowCount >= most)
        {
            FlowsLimitedCount++;
            WantSweep(now);
            p.Drop(DropReason.SourceLimit, SourceLimitDetail.Flows);
            return false;
        }

        if (perSecond > 0 && !TryTakeToken(ref entry, perSecond, now))
        {
            NewFlowsLimitedCount++;
            p.Drop(DropReason.SourceLimit, SourceLimitDetail.NewFlows);
            return false;
        }

        return true;
    }

    /// <summary>A flow of a source was recorded; the entry is marked, so that its end counts too.</summary>
    public void Begin(ref ConntrackEntry entry)
    {
        bool isPod = IsOfPod(entry);
        if ((isPod ? _rules.PodFlowCount : _rules.OuterFlowCount) > 0)
        {
            entry.Flags |= ConntrackFlags.Counted;
            Take(SourceOf(ClientOf(entry), isPod)).FlowCount++;
        }
    }

    /// <summary>
    /// An entry that another process left, whose limits may have been others. A choice counts where it is all that is known of its flow, which it did then.
    /// </summary>
    public void Recount(ref ConntrackEntry entry)
    {
        bool wasCounted = (entry.Flags & ConntrackFlags.Counted) != 0;
        entry.Flags &= ~ConntrackFlags.Counted;
        if (entry.Key.Scope == FlowScope.Flow || wasCounted)
        {
            Begin(ref entry);
        }
    }

    /// <summary>A flow that was counted is gone.</summary>
    public void End(in ConntrackEntry entry)
    {
        int found = Find(SourceOf(ClientOf(entry), IsOfPod(entry)));
        if (found >= 0 && _entries[found].FlowCount > 0)
        {
            _entries[found].FlowCount--;
        }
    }

    /// <summary>Whether a source stood at its limit since this was last asked.</summary>
    public bool TakeSweepWanted()
    {
        bool isWanted = _isSweepWanted;
        _isSweepWanted = false;
        return isWanted;
    }

    private static bool IsOfPod(in ConntrackEntry entry) => entry.Key.Scope == FlowScope.Flow && (entry.Flags & ConntrackFlags.Inbound) == 0;

    /// <summary>A pod that reaches itself has the loopback address at its client's end.</summary>
    private static IpAddress ClientOf(in ConntrackEntry entry)
    {
        bool isSecond = ((entry.Flags & ConntrackFlags.ClientIsSecond) != 0) ^ ((entry.Flags & ConntrackFlags.LoopbackHairpin) != 0);
        return isSecond ? entry.Key.Destination : entry.Key.Source;
    }

    private static bool TryTakeToken(ref SourceEntry entry, int perSecond, MonoTime now)
    {
        long interval = SecondNanoseconds / perSecond;
        if (entry.FullAt - now.Nanoseconds > (perSecond - 1) * interval)
        {
            return false;
        }

        entry.FullAt = Math.Max(entry.FullAt, now.Nanoseconds) + interval;
        return true;
    }

    private void WantSweep(MonoTime now)
    {
        if (now.Seconds >= _nextSweep)
        {
            _nextSweep = now.Seconds + SweepPauseSeconds;
            _isSweepWanted = true;
        }
    }

    private IpAddress SourceOf(IpAddress address, bool isPod) =>
        isPod ? address : IpPrefix.Containing(address, address.IsIpv4 ? _rules.Ipv4PrefixLength : _rules.Ipv6PrefixLength).Address;

    private int SetOf(IpAddress source) => (int)(new FlowKey(source, default, 0, 0, 0).Hash(_seed) & (ulong)(_entries.Length - 1)) & ~(SetLength - 1);

    private int Find(IpAddress source)
    {
        int set = SetOf(source);
        for (int i = set; i < set + SetLength; i++)
        {
            if (_entries[i].Source == source)
            {
                return i;
            }
        }

        return -1;
    }

    private ref SourceEntry Take(IpAddress source)
    {
        int set = SetOf(source);
        int least = set;
        for (int i = set; i < set + SetLength; i++)
        {
            if (_entries[i].Source == source)
            {
                return ref _entries[i];
            }

            if (_entries[i].FlowCount < _entries[least].FlowCount
                || (_entries[i].FlowCount == _entries[least].FlowCount && _entries[i].LastSeen < _entries[least].LastSeen))
            {
                least = i;
            }
        }

        EvictedCount += _entries[least].FlowCount > 0 ? 1u : 0u;
        _entries[least] = default;
        _entries[least].Source = source;
        return ref _entries[least];
    }
}
