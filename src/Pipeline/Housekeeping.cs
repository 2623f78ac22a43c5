namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What the worker does for its tables between bursts: removes dead flows a slice at a time and minds the neighbours. A dead entry is
/// never found again meanwhile, so rounds may take long.
/// </summary>
public sealed class Housekeeping(LiveTables live)
{
    /// <summary>Between two slices while packets pass; an idle worker wakes less often.</summary>
    private const double TickSeconds = 0.01;

    private MonoTime _next;

    public bool IsDue(MonoTime now) => now.Nanoseconds >= _next.Nanoseconds;

    public void Run(Snapshot s, MonoTime now)
    {
        _next = now.PlusSeconds(TickSeconds);
        live.Garbage.Step(now);
        live.Fragments.Hold?.Expire(now);
        if (s.UplinkPort >= 0)
        {
            live.Neighbors.Tick(s.Ports[s.UplinkPort], live.Counters, now);
        }
    }
}
