using ClusterMesh.Datapath.Benchmarks.Tables;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>The route table at a million prefixes: memory, look-up, one change until it is visible.</summary>
internal static class RouteBenchmark
{
    private const int PrefixCount = 1_000_000;

    public static void Run()
    {
        IpPrefix[] prefixes = Prefixes.Internet(PrefixCount, seed: 1);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var table = new PrefixTable();
        for (int i = 0; i < prefixes.Length; i++)
        {
            table.Set(prefixes[i], i);
        }

        PrefixMap map = table.Publish();
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Console.WriteLine($"routes: {table.Count:n0} IPv4 prefixes, {held / 1048576.0:f1} MiB with all that changing them needs");

        IpAddress[] keys = TableFiles.AddressesWithin(prefixes, seed: 3);
        int hits = 0;
        double[] lookups = Sample.Microseconds(9, _ => hits = CountHits(map, keys));
        Console.WriteLine($"routes: look-up of random keys {Sample.Range(lookups, TableFiles.LookupCount / 1000.0)} ns ({hits:n0} of {TableFiles.LookupCount:n0} hit)");

        var random = new Random(2);
        double[] changes = Sample.Microseconds(100_000, i =>
        {
            IpPrefix prefix = prefixes[random.Next(prefixes.Length)];
            if (!table.Remove(prefix))
            {
                table.Set(prefix, i);
            }

            table.Reclaim(table.Publish().Version);
        });
        Console.WriteLine($"routes: one change, published and reclaimed: {Sample.Spread(changes)} us");
    }

    private static int CountHits(PrefixMap map, IpAddress[] keys)
    {
        int hits = 0;
        foreach (IpAddress key in keys)
        {
            hits += map.TryLookup(key, out _) ? 1 : 0;
        }

        return hits;
    }
}
