using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>The route table at a million prefixes: memory, look-up, one change until it is visible.</summary>
internal static class RouteBenchmark
{
    private const int PrefixCount = 1_000_000;
    private const int KeyCount = 1 << 20;

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

        IpAddress[] keys = Keys(prefixes);
        int hits = 0;
        double[] lookups = Sample.Microseconds(9, _ => hits = CountHits(map, keys));
        Console.WriteLine($"routes: look-up of random keys {Sample.Range(lookups, KeyCount / 1000.0)} ns ({hits:n0} of {KeyCount:n0} hit)");

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

    private static IpAddress[] Keys(IpPrefix[] prefixes)
    {
        var random = new Random(3);
        var keys = new IpAddress[KeyCount];
        for (int i = 0; i < keys.Length; i++)
        {
            IpPrefix prefix = prefixes[random.Next(prefixes.Length)];
            uint hostBits = (uint)(random.NextInt64(1L << 32) & ((1L << (IpPrefix.MaxLength - prefix.Length)) - 1));
            keys[i] = IpAddress.FromIpv4(prefix.Address.ToIpv4() | hostBits);
        }

        return keys;
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
