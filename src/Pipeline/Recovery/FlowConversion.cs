using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Takes the entries of tables of another layout, other sizes or another number of workers into new, empty ones: each to the worker whose flow it is now
/// (<see cref="FlowSteering"/>). Where there is less room than there was, flows that have only begun come last. Before the first packet; each step
/// on the thread of the worker whose tables it fills, <see cref="TakeFlows"/> of all workers before the first <see cref="TakeRest"/>.
/// </summary>
/// <param name="recovery">Judges and counts.</param>
/// <param name="homes">Null for one worker, as <paramref name="backends"/>.</param>
/// <param name="snapshot">The configuration that the node begins with.</param>
public sealed class FlowConversion(FormerFlows former, FlowRecovery recovery, FlowHomes? homes, KnownBackends? backends, Snapshot snapshot)
{
    /// <summary>Mappings that found their flow at one of the workers.</summary>
    private readonly HashSet<FlowKey> _paired = [];

    /// <summary>Conntrack entries of the flows that are this worker's.</summary>
    public void TakeFlows(LiveTables live, int worker)
    {
        foreach (ConntrackEntry entry in worker == 0 && backends is not null ? former.Conntrack : [])
        {
            recovery.Teach(backends!, entry);
        }

        foreach (bool hasOnlyBegun in (bool[])[false, true])
        {
            foreach (ConntrackEntry entry in former.Conntrack)
            {
                if (ConntrackState.HasOnlyBegun(entry) == hasOnlyBegun && OwnerOf(entry) == worker)
                {
                    Take(live.Conntrack, entry);
                }
            }
        }
    }

    /// <summary>Mappings of those flows, sessions and fragments.</summary>
    public void TakeRest(LiveTables live, int worker)
    {
        foreach (SnatEntry entry in former.Snat)
        {
            FlowFate fate = recovery.Judge(entry);
            if (fate == FlowFate.Kept && IsFlowOf(live.Conntrack, entry))
            {
                _paired.Add(entry.Forward);
                recovery.Note(live.Snat.Adopt(entry));
            }
            else if (fate != FlowFate.Kept && worker == 0)
            {
                recovery.Note(fate);
            }
        }

        foreach (AffinityEntry entry in former.Affinities)
        {
            if ((homes?.OfAddress(entry.Client) ?? 0) == worker)
            {
                FlowFate fate = recovery.Judge(entry);
                recovery.Note(fate != FlowFate.Kept || live.Affinities.TryAdopt(entry) ? fate : FlowFate.NoRoom);
            }
        }

        // Where they meet and where their flow is, which only the packets tell: all workers know them.
        foreach (FragmentEntry entry in former.Fragments)
        {
            FlowFate fate = recovery.Judge(entry);
            bool isTaken = fate == FlowFate.Kept && live.Fragments.TryAdopt(entry, recovery.Now);
            if (worker == 0)
            {
                recovery.Note(fate != FlowFate.Kept || isTaken ? fate : FlowFate.NoRoom);
            }
        }

        recovery.Count(live);
    }

    /// <summary>All workers have theirs: mappings that are left have no flow.</summary>
    public void Finish()
    {
        foreach (SnatEntry entry in former.Snat)
        {
            if (!_paired.Contains(entry.Forward) && recovery.Judge(entry) == FlowFate.Kept)
            {
                recovery.Note(FlowFate.Unpaired);
            }
        }
    }

    private void Take(ConntrackTable conntrack, in ConntrackEntry entry)
    {
        FlowFate fate = conntrack.Find(entry.Key, default) >= 0 ? FlowFate.Unpaired : recovery.Judge(entry);
        recovery.Note(fate != FlowFate.Kept || conntrack.TryAdopt(entry) ? fate : FlowFate.NoRoom);
    }

    private bool IsFlowOf(ConntrackTable conntrack, in SnatEntry entry)
    {
        int flow = conntrack.Find(ConntrackTable.Ordered(entry.Forward, out _), recovery.Now);
        return flow >= 0 && (conntrack[flow].Flags & ConntrackFlags.Mapped) != 0;
    }

    /// <summary>Where the client's next packet is taken, and where the answers are looked for.</summary>
    private int OwnerOf(in ConntrackEntry entry) =>
        homes is null || backends is null ? 0 : FlowSteering.CourseOf(FirstPacketOf(entry), homes, backends, snapshot).Settled;

    /// <summary>As the client sends it: to the service, where there is one.</summary>
    private FlowKey FirstPacketOf(in ConntrackEntry entry)
    {
        if (entry.Key.Scope == FlowScope.Service)
        {
            return entry.Key with { Scope = FlowScope.Flow };
        }

        FlowKey key = (entry.Flags & ConntrackFlags.ClientIsSecond) != 0 ? entry.Key.Reversed : entry.Key;
        if (entry.RevNat == 0 || !snapshot.Services.TryGet(entry.RevNat, out Frontend? frontend))
        {
            return key;
        }

        // A pod that answers itself is seen under the loopback address.
        IpAddress client = (entry.Flags & ConntrackFlags.LoopbackHairpin) != 0 ? key.Destination : key.Source;
        return key with { Source = client, Destination = frontend!.Address, DestinationPort = frontend.Port };
    }
}
