using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>The writer of the configuration at size: many services at once, one route among a million, the default flow tables.</summary>
internal static class StateBenchmark
{
    private const int ServiceCount = 10_000;
    private const int RouteCount = 1_000_000;

    public static void Run()
    {
        DesiredChange services = SampleNode.Change(ServiceCount);
        double[] applied = Sample.Microseconds(5, _ =>
        {
            var fresh = new StateWriter(SampleNode.Local(), seed: 1);
            fresh.Commit(fresh.Plan(services));
        });
        Console.WriteLine($"state: {ServiceCount:n0} services of 4 backends planned and committed: {Sample.Range(applied, 1000)} ms");

        var writer = new StateWriter(SampleNode.Local(), seed: 1);
        writer.Commit(writer.Plan(SampleNode.Change(1)));
        IpAddress via = IpAddress.Parse("172.18.0.1");
        IpPrefix[] prefixes = Prefixes.Internet(RouteCount + 2000, seed: 4);
        RouteSpec[] routes = [.. prefixes.Where(p => !p.Overlaps(IpPrefix.Parse("10.0.0.0/8")) && !p.Overlaps(IpPrefix.Parse("172.18.0.0/16"))).Select(p => new RouteSpec(p, via, "benchmark"))];
        writer.Commit(writer.Plan(new DesiredChange { Routes = routes[1000..] }));
        double[] changed = Sample.Microseconds(200, i =>
        {
            Snapshot snapshot = writer.Commit(writer.Plan(new DesiredChange { Routes = [routes[i]] }));
            writer.Reclaim(snapshot);
        });
        Console.WriteLine($"state: one route more at {writer.RouteCount:n0}, from plan to snapshot: {Sample.Spread(changed, 1000)} ms");

        long before = GC.GetTotalMemory(forceFullCollection: true);
        var live = new LiveTables(SampleNode.Local().ConntrackEntries, SampleNode.Local().SnatEntries, seed: 1);
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Console.WriteLine(
            $"state: default flow tables ({live.Conntrack.Capacity:n0} conntrack, {live.Snat.Capacity:n0} SNAT entries): {held / 1e6:f0} MB, "
            + $"of which conntrack {live.Conntrack.MemoryLength / 1e6:f0} MB and SNAT {live.Snat.MemoryLength / 1e6:f0} MB");
    }
}
