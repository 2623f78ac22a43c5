using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Io;

/// <summary>A worker's end of the listening: what its pipeline tells, and the ring that takes it out of the process.</summary>
internal sealed class FlowTap(FlowEvents events, FlowRing ring)
{
    public FlowEvents Events => events;

    public FlowRing Ring => ring;

    /// <summary>Before a burst: what it tells bears this time.</summary>
    public void Begin() => events.Time = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * (1_000_000 / TimeSpan.TicksPerMillisecond);

    /// <summary>Behind a burst.</summary>
    public void Publish()
    {
        if (!events.Records.IsEmpty)
        {
            ring.Append(events.Records, events.LostCount);
            events.Clear();
        }
    }
}
