using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The ports of datagrams whose first fragment has passed, so that the later ones, which carry none, follow the same flow. Fixed
/// size: four ways a set. In a full set the oldest of the source that has most of it gives way, the new one counted: whoever floods pushes out its
/// own. One owner: the worker.
/// </summary>
public sealed class FragmentTable
{
    /// <summary>RFC 791 suggests 15 s for reassembly, Linux waits 30 s; nobody waits longer for the rest.</summary>
    internal const uint LifetimeSeconds = 30;

    private const int Ways = 4;
    private readonly TableRows<FragmentEntry> _entries;
    private readonly ulong _seed;

    /// <param name="capacity">Datagrams under way at once; a power of two.</param>
    /// <param name="rows">Memory that another process may have left; null for memory of our own.</param>
    /// <param name="counters">Of fragments that are held and given up; null for some of our own.</param>
    public FragmentTable(int capacity, ulong seed, FragmentMode mode = FragmentMode.Follow, TableRows<FragmentEntry>? rows = null, DatapathCounters? counters = null)
    {
        IsTracking = mode != FragmentMode.Drop;
        Hold = mode == FragmentMode.Hold ? new FragmentHold(counters ?? new DatapathCounters()) : null;
        ArgumentOutOfRangeException.ThrowIfNotEqual(int.IsPow2(capacity) && capacity >= Ways, true);
        _entries = rows ?? new ArrayRows<FragmentEntry>(capacity);
        _seed = seed;
    }

    public FragmentMode Mode => Hold is not null ? FragmentMode.Hold : IsTracking ? FragmentMode.Follow : FragmentMode.Drop;

    /// <summary>False: no fragment passes.</summary>
    public bool IsTracking { get; }

    /// <summary>Where fragments wait that come before the first; null when they do not.</summary>
    public FragmentHold? Hold { get; }

    /// <summary>First fragments that were remembered.</summary>
    public ulong FirstCount { get; private set; }

    /// <summary>Later ones that found their first, and those that did not.</summary>
    public ulong FollowedCount { get; private set; }

    public ulong MissedCount { get; private set; }

    /// <summary>First fragments that were forgotten before their time, because others needed the room.</summary>
    public ulong EvictedCount { get; private set; }

    /// <summary>A first fragment has come: the others of its datagram may follow.</summary>
    public void Remember(in FlowKey key, uint id, MonoTime now)
    {
        FlowKey bare = Bare(key);
        int set = SetOf(bare, id);
        int victim = VictimIn(set, bare, id, now);

        FirstCount++;
        EvictedCount += _entries[victim].Expires > now.Seconds && (_entries[victim].Id != id || Bare(_entries[victim].Key) != bare) ? 1u : 0u;
        Hold?.Release(bare, id);
        _entries.BeginWrite(victim);
        _entries[victim] = new FragmentEntry(key, id, now.Seconds + LifetimeSeconds);
        _entries.EndWrite();
    }

    /// <summary>The datagram's own place, or one that is free or over, or that of the greediest source.</summary>
    private int VictimIn(int set, in FlowKey bare, uint id, MonoTime now)
    {
        int victim = -1;
        for (int i = set; i < set + Ways; i++)
        {
            if (_entries[i].Id == id && Bare(_entries[i].Key) == bare)
            {
                return i;
            }

            victim = _entries[i].Expires <= now.Seconds ? i : victim;
        }

        int most = 0;
        for (int i = set; victim < 0 && i < set + Ways; i++)
        {
            // In a tie the new one's own gives way, else the oldest; twice the number leaves room to tell.
            IpAddress source = SourceOf(_entries[i].Key);
            bool isOwn = source == SourceOf(bare);
            int share = 2 * (CountOf(source, set) + (isOwn ? 1 : 0)) + (isOwn ? 1 : 0);
            most = Math.Max(most, share);
        }

        for (int i = set; most > 0 && i < set + Ways; i++)
        {
            IpAddress source = SourceOf(_entries[i].Key);
            bool isOwn = source == SourceOf(bare);
            if (2 * (CountOf(source, set) + (isOwn ? 1 : 0)) + (isOwn ? 1 : 0) == most && (victim < 0 || _entries[i].Expires < _entries[victim].Expires))
            {
                victim = i;
            }
        }

        return victim;
    }

    private int CountOf(IpAddress source, int set)
    {
        int count = 0;
        for (int i = set; i < set + Ways; i++)
        {
            count += SourceOf(_entries[i].Key) == source ? 1 : 0;
        }

        return count;
    }

    /// <summary>An address; of IPv6 the subscriber's network (RFC 6177).</summary>
    private static IpAddress SourceOf(in FlowKey key) => key.Source.IsIpv4 ? key.Source : IpPrefix.Containing(key.Source, SourceLimitRules.DefaultIpv6PrefixLength).Address;

    /// <param name="key">Addresses and protocol of the later fragment, ports 0.</param>
    public bool TryGetPorts(in FlowKey key, uint id, MonoTime now, out FlowKey withPorts)
    {
        int set = SetOf(key, id);
        for (int i = set; i < set + Ways; i++)
        {
            ref readonly FragmentEntry entry = ref _entries[i];
            if (entry.Id == id && entry.Expires > now.Seconds && Bare(entry.Key) == key)
            {
                withPorts = entry.Key;
                FollowedCount++;
                return true;
            }
        }

        withPorts = default;
        MissedCount++;
        return false;
    }

    /// <summary>Takes up what another process left.</summary>
    internal void Restore(FlowRecovery recovery)
    {
        int interrupted = _entries.TakeInterrupted();
        for (int i = 0; i < _entries.Length; i++)
        {
            FragmentEntry entry = _entries[i];
            if (entry != default
                && !recovery.Note(i == interrupted || SetOf(Bare(entry.Key), entry.Id) != (i & ~(Ways - 1)) ? FlowFate.Broken : recovery.Judge(entry)))
            {
                _entries[i] = default;
            }
        }
    }

    /// <summary>Takes in an entry of another table, if there is a free place.</summary>
    internal bool TryAdopt(in FragmentEntry entry, MonoTime now)
    {
        int set = SetOf(Bare(entry.Key), entry.Id);
        int place = set;
        while (place < set + Ways && _entries[place].Expires > now.Seconds && _entries[place] != entry)
        {
            place++;
        }

        if (place < set + Ways)
        {
            _entries[place] = entry;
        }

        return place < set + Ways;
    }

    /// <summary>As <see cref="TryGetPorts"/>, for those who only look.</summary>
    public bool TryPeek(in FlowKey key, uint id, MonoTime now, out FlowKey withPorts)
    {
        int set = SetOf(key, id);
        for (int i = set; i < set + Ways; i++)
        {
            if (_entries[i].Id == id && _entries[i].Expires > now.Seconds && Bare(_entries[i].Key) == key)
            {
                withPorts = _entries[i].Key;
                return true;
            }
        }

        withPorts = default;
        return false;
    }

    private static FlowKey Bare(in FlowKey key) => key with { SourcePort = 0, DestinationPort = 0 };

    private int SetOf(in FlowKey bare, uint id) => (int)(bare.Hash(_seed ^ id) & (ulong)(_entries.Length - 1)) & ~(Ways - 1);
}
