using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Looks through the flow tables that another process left, before the first packet: judges each entry, repairs what was being written when that
/// process was killed, and counts. Indexes and free entries are not kept but made anew from the entries, so they cannot be wrong.
/// </summary>
/// <param name="snapshot">The configuration that the node begins with.</param>
/// <param name="pods">Where the node's pods are: an address of these that no port has is a pod that is gone.</param>
public sealed class FlowRecovery(Snapshot snapshot, IReadOnlyList<IpPrefix> pods, MonoTime now)
{
    private readonly HashSet<IpAddress> _addresses = [.. snapshot.Ports.Where(p => p is not null).SelectMany(p => p.Addresses)];
    private readonly int[] _counts = new int[Enum.GetValues<FlowFate>().Length];

    /// <summary>Conntrack entries and SNAT mappings that go on.</summary>
    public int FlowCount { get; private set; }

    public int MappingCount { get; private set; }

    public MonoTime Now => now;

    public int CountOf(FlowFate fate) => _counts[(int)fate];

    /// <summary>Takes all tables of a worker up that are kept.</summary>
    public void Run(LiveTables live)
    {
        live.Conntrack.Restore(this);
        live.Snat.Restore(this, live.Conntrack);
        live.Affinities.Restore(this);
        live.Fragments.Restore(this);
        Count(live);
    }

    /// <summary>A backend that a service led to, which a flow outlives: steering has to know it, as the process before this one did.</summary>
    public void Teach(KnownBackends backends, in ConntrackEntry entry)
    {
        if (entry.RevNat != 0 && entry.Key.Scope == FlowScope.Flow && IsKey(entry.Key) && snapshot.Services.TryGet(entry.RevNat, out Frontend? frontend))
        {
            FlowKey key = (entry.Flags & ConntrackFlags.ClientIsSecond) != 0 ? entry.Key.Reversed : entry.Key;
            backends.Add(key.Destination, key.DestinationPort, key.Protocol, hasSessions: frontend!.AffinitySeconds > 0);
        }
    }

    /// <summary>A worker's tables are taken up.</summary>
    public void Count(LiveTables live)
    {
        FlowCount += live.Conntrack.Count;
        MappingCount += live.Snat.Count;
    }

    /// <summary>Notes what became of an entry; true when it goes on.</summary>
    public bool Note(FlowFate fate)
    {
        _counts[(int)fate]++;
        return fate == FlowFate.Kept;
    }

    public FlowFate Judge(in ConntrackEntry entry)
    {
        FlowKey key = entry.Key;
        bool isChoice = key.Scope == FlowScope.Service;
        if (!IsKey(key) || entry.Generation == 0 || entry.LastTx > now.Seconds || entry.LastRx > now.Seconds
            || entry.Expires > now.Seconds + ConntrackTimers.Tcp || (!isChoice && ConntrackTable.Ordered(key, out _) != key) || (isChoice && entry.RevNat == 0))
        {
            return FlowFate.Broken;
        }

        if (entry.Expires <= now.Seconds)
        {
            return FlowFate.Expired;
        }

        if (entry.RevNat != 0 && (!snapshot.Services.TryGet(entry.RevNat, out Frontend? frontend) || (isChoice && !frontend!.Set.TryGet(entry.BackendId, out _))))
        {
            return FlowFate.Orphaned;
        }

        return IsGonePod(key.Source) || IsGonePod(key.Destination) ? FlowFate.Orphaned : FlowFate.Kept;
    }

    public FlowFate Judge(in SnatEntry entry) =>
        !IsKey(entry.Forward) || entry.NatAddress.IsIpv4 != entry.Forward.Source.IsIpv4 || entry.Created > now.Seconds ? FlowFate.Broken
        : !entry.IsReturn && !snapshot.Masquerade.IsOwn(entry.NatAddress) ? FlowFate.Orphaned : FlowFate.Kept;

    public FlowFate Judge(in AffinityEntry entry)
    {
        if (entry.Generation == 0 || entry.LastUsed.Nanoseconds > now.Nanoseconds)
        {
            return FlowFate.Broken;
        }

        return !snapshot.Services.TryGet(entry.Frontend, out Frontend? frontend) || frontend!.AffinitySeconds == 0 || !frontend.Set.TryGet(entry.BackendId, out _) ? FlowFate.Orphaned
            : entry.LastUsed.PlusSeconds(frontend.AffinitySeconds).Nanoseconds <= now.Nanoseconds ? FlowFate.Expired : FlowFate.Kept;
    }

    public FlowFate Judge(in FragmentEntry entry) =>
        !IsKey(entry.Key) || entry.Expires > now.Seconds + FragmentTable.LifetimeSeconds ? FlowFate.Broken
        : entry.Expires <= now.Seconds ? FlowFate.Expired : FlowFate.Kept;

    private static bool IsKey(in FlowKey key) => TransportHeader.IsKnown(key.Protocol) && key.Scope is FlowScope.Flow or FlowScope.Service
        && key.Reserved == 0 && key.Source.IsIpv4 == key.Destination.IsIpv4;

    private bool IsGonePod(IpAddress address)
    {
        foreach (IpPrefix prefix in pods)
        {
            if (prefix.Contains(address))
            {
                return !_addresses.Contains(address);
            }
        }

        return false;
    }
}
