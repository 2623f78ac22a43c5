namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What the worker does for its tables between bursts: removes dead flows a slice at a time and minds the neighbours. A whole round
/// over a table takes <see cref="RoundSeconds"/>; no single slice is long enough to be felt as a pause.
/// </summary>
public sealed class Housekeeping(LiveTables live)
{
    private const int RoundSeconds = 30;
    private const double TickSeconds = 0.1;
    private const int TicksPerRound = (int)(RoundSeconds / TickSeconds);
    private MonoTime _next;

    public bool IsDue(MonoTime now) => now.Nanoseconds >= _next.Nanoseconds;

    public void Run(Snapshot s, MonoTime now)
    {
        _next = now.PlusSeconds(TickSeconds);
        if (live.Conntrack.Count > 0)
        {
            live.Conntrack.Sweep((live.Conntrack.Capacity / TicksPerRound) + 1, now);
        }

        if (live.Snat.Count > 0)
        {
            live.Snat.Sweep((live.Snat.Capacity / TicksPerRound) + 1, live.Conntrack, now);
        }

        if (s.UplinkPort >= 0)
        {
            live.Neighbors.Tick(s.Ports[s.UplinkPort], live.Counters, now);
        }
    }
}
