using System.Diagnostics;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks.Tables;

/// <summary>Look-ups in bursts among a million prefixes and a million flows, in turns with DPDK's tables over the same.</summary>
internal static class TableBenchmark
{
    private const int RepeatCount = 15;

    /// <summary>Passes before the first that counts: the compiler takes its time.</summary>
    private const int WarmUpCount = 8;

    private const int Capacity = 2_000_000;
    private static readonly MonoTime s_now = MonoTime.FromSeconds(1);

    public static void Run()
    {
        string folder = Directory.CreateTempSubdirectory("cmesh-tables-").FullName;
        try
        {
            Compare(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Compare(string folder)
    {
        var files = new TableFiles();
        files.WriteTo(folder);
        using DpdkTables? dpdk = DpdkTables.Start(folder, Capacity);
        var prefixes = new PrefixTable();
        for (int i = 0; i < files.Prefixes.Length; i++)
        {
            prefixes.Set(files.Prefixes[i], i);
        }

        PrefixMap map = prefixes.Publish();
        var flows = new ConntrackTable(Capacity, seed: 0x1234_5678_9ABC_DEF1);
        for (int i = 0; i < files.Flows.Length; i++)
        {
            flows[flows.Create(files.Flows[i])].Expires = uint.MaxValue; // A new table gives its entries out in order: the flow's number is its entry's.
        }

        FlowKey[] searched = [.. files.Lookups.Select(i => files.Flows[i])];
        Console.WriteLine($"tables: {prefixes.Count:n0} prefixes in {prefixes.MemoryLength / 1048576.0:f1} MiB, {flows.Count:n0} flows; ns a look-up, median [least-most]");
        Report("1,000,000 prefixes, one by one", "lpm", 1, dpdk, () => Lpm(map, files.Addresses));
        Report("1,000,000 flows, one by one", "hash", 1, dpdk, () => Flow(flows, searched));
        foreach (int burst in (int[])[32, 64])
        {
            Report($"1,000,000 prefixes, bursts of {burst}", "lpm", burst, dpdk, () => Lpm(map, files.Addresses, burst));
            Report($"1,000,000 flows, bursts of {burst}", "hash", burst, dpdk, () => Flow(flows, searched, burst));
        }
    }

    private static void Report(string name, string what, int burst, DpdkTables? dpdk, Func<ulong> ours)
    {
        var times = new double[RepeatCount];
        var theirs = new double[RepeatCount];
        var ratios = new double[RepeatCount];
        ulong sum = 0;
        for (int i = -WarmUpCount; i < RepeatCount; i++)
        {
            int repeat = Math.Max(i, 0);
            long start = Stopwatch.GetTimestamp();
            sum = ours();
            times[repeat] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / TableFiles.LookupCount;
            theirs[repeat] = (dpdk?.Pass(what, burst).Nanoseconds ?? 0) / TableFiles.LookupCount;
            ratios[repeat] = theirs[repeat] / times[repeat];
        }

        if (dpdk is not null && dpdk.Pass(what == "hash" ? "check" : what, burst).Sum != sum)
        {
            throw new InvalidOperationException($"{name}: DPDK found something else");
        }

        Array.Sort(times);
        Array.Sort(theirs);
        Array.Sort(ratios);
        string compared = dpdk is null ? "" : $"; DPDK {Sample.Range(theirs, 1)}; theirs to ours {ratios[RepeatCount / 2]:f2}";
        Console.WriteLine($"tables: {name}: {Sample.Range(times, 1)}{compared}");
    }

    private static ulong Lpm(PrefixMap map, IpAddress[] addresses)
    {
        ulong sum = 0;
        foreach (IpAddress address in addresses)
        {
            sum += map.TryLookup(address, out int value) ? (uint)value : 0;
        }

        return sum;
    }

    private static ulong Lpm(PrefixMap map, IpAddress[] addresses, int burst)
    {
        ulong sum = 0;
        Span<int> found = stackalloc int[burst];
        for (int i = 0; i < addresses.Length; i += burst)
        {
            map.Lookup(addresses.AsSpan(i, burst), found);
            foreach (int value in found)
            {
                sum += (uint)Math.Max(value, 0);
            }
        }

        return sum;
    }

    private static ulong Flow(ConntrackTable flows, FlowKey[] searched, int burst)
    {
        ulong sum = 0;
        Span<int> found = stackalloc int[burst];
        for (int i = 0; i < searched.Length; i += burst)
        {
            flows.Find(searched.AsSpan(i, burst), found, s_now);
            foreach (int index in found)
            {
                sum += (uint)index;
            }
        }

        return sum;
    }

    private static ulong Flow(ConntrackTable flows, FlowKey[] searched)
    {
        ulong sum = 0;
        foreach (FlowKey key in searched)
        {
            sum += (uint)flows.Find(key, s_now);
        }

        return sum;
    }
}
