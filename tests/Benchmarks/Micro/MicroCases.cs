using ClusterMesh.Datapath.Benchmarks.Tables;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks.Micro;

/// <summary>Every table that a packet meets, and the whole pipeline over memory.</summary>
public static class MicroCases
{
    private const int Million = 1_000_000;
    private static readonly MonoTime s_now = MonoTime.FromSeconds(1000);

    /// <param name="share">Part of the full size, in which the million becomes so much less: what allocates does so in small tables too.</param>
    public static IReadOnlyList<MicroCase> All(int share = 1) =>
    [
        new("route, one by one", () => Route(Million / share, 1)),
        new("route, bursts of 64", () => Route(Million / share, 64)),
        new("flow, one by one", () => Flow(Million / share, 1)),
        new("flow, bursts of 64", () => Flow(Million / share, 64)),
        new("SNAT, forward", () => Snat(Million / 2 / share, isReverse: false)),
        new("SNAT, reverse", () => Snat(Million / 2 / share, isReverse: true)),
        new("service", () => Service(10_000 / share)),
        new("neighbour", () => Neighbor(1000)),
        .. from flowCount in (int[])[1, 1000, Million / share]
           from isMasqueraded in (bool[])[false, true]
           from hasShortcut in (bool[])[true, false]
           from burst in (int[])[1, 32, 64]
           let which = new PipelineCase(flowCount, isMasqueraded, hasShortcut)
           select new MicroCase($"pipeline, {which}, bursts of {burst}", () => Pipeline(which, burst)),
    ];

    private static Func<long> Route(int count, int burst)
    {
        IpPrefix[] prefixes = Prefixes.Internet(count, seed: 1);
        IpAddress[] addresses = TableFiles.AddressesWithin(prefixes, seed: 3)[..MicroCase.OperationCount];
        var table = new PrefixTable();
        for (int i = 0; i < prefixes.Length; i++)
        {
            table.Set(prefixes[i], i);
        }

        PrefixMap map = table.Publish();
        int[] found = new int[burst];
        return burst == 1
            ? () => Sum(addresses, address => map.TryLookup(address, out int value) ? value : -1)
            : () => InBursts(addresses.Length, burst, at => map.Lookup(addresses.AsSpan(at, burst), found), found);
    }

    private static Func<long> Flow(int count, int burst)
    {
        var table = new ConntrackTable(2 * count, seed: 7);
        FlowKey[] flows = [.. Enumerable.Range(0, count).Select(i => Key(i))];
        foreach (FlowKey flow in flows)
        {
            table[table.Create(flow)].Expires = uint.MaxValue;
        }

        FlowKey[] searched = Picked(flows);
        int[] found = new int[burst];
        return burst == 1
            ? () => Sum(searched, key => table.Find(key, s_now))
            : () => InBursts(searched.Length, burst, at => table.Find(searched.AsSpan(at, burst), found, s_now), found);
    }

    private static Func<long> Snat(int count, bool isReverse)
    {
        var table = new SnatTable(count, seed: 7);
        var random = new FlowRandom(8);
        IpAddress node = IpAddress.Parse("172.18.0.5");
        var conntrack = new ConntrackTable(count, seed: 9);
        foreach (int i in Enumerable.Range(0, count))
        {
            ref ConntrackEntry flow = ref conntrack[conntrack.Create(ConntrackTable.Ordered(Key(i), out _))];
            flow.Expires = uint.MaxValue;
            flow.Flags |= ConntrackFlags.Snat; // A mapping without a live flow would give way to the next.
        }

        int[] entries = [.. Enumerable.Range(0, count).Select(i => table.Create(Key(i), node, 32768, 65535, conntrack, random, s_now)).Where(e => e >= 0)];
        FlowKey[] searched = Picked([.. entries.Select(e => isReverse ? table[e].Translated.Reversed : table[e].Forward)]);
        return isReverse ? () => Sum(searched, key => table.FindReverse(key)) : () => Sum(searched, key => table.FindForward(key));
    }

    private static Func<long> Service(int count)
    {
        var writer = new StateWriter(SampleNode.Local(), seed: 1);
        ServiceTable services = writer.Commit(writer.Plan(SampleNode.Change(count))).Services;
        IpAddress[] searched = Picked([.. Enumerable.Range(0, count).Select(SampleNode.FrontendOf)]);
        return () => Sum(searched, address => services.TryFind(address, 80, IpProtocol.Tcp, out Frontend? frontend) ? frontend!.Id : -1);
    }

    private static Func<long> Neighbor(int count)
    {
        var table = new NeighborTable(4096, new Outbox(1), seed: 7);
        IpAddress[] known = [.. Enumerable.Range(0, count).Select(i => IpAddress.FromIpv4(0xAC12_0100u + (uint)i))];
        foreach (IpAddress address in known)
        {
            table.Learn(address, new MacAddress(0x0200_0000_0001), isSolicited: true, create: true, s_now);
        }

        IpAddress[] searched = Picked(known);
        return () => Sum(searched, address => table.TryResolve(address, s_now, out MacAddress mac) ? (long)mac.Value : -1);
    }

    private static Func<long> Pipeline(PipelineCase which, int burst)
    {
        var run = new PipelineRun(which);
        return () => run.Send(MicroCase.OperationCount, burst);
    }

    private static FlowKey Key(int number) => new(
        IpAddress.FromIpv4(0x0A00_0000u + (uint)(number & 0xFFF)), IpAddress.FromIpv4(0x0B00_0000u + (uint)(number % 4093)), (ushort)(1024 + (number % 60_000)), 80, IpProtocol.Tcp);

    private static T[] Picked<T>(T[] items)
    {
        var random = new Random(9);
        var picked = new T[MicroCase.OperationCount];
        for (int i = 0; i < picked.Length; i++)
        {
            picked[i] = items[random.Next(items.Length)];
        }

        return picked;
    }

    private static long Sum<T>(T[] items, Func<T, long> look)
    {
        long sum = 0;
        foreach (T item in items)
        {
            sum += look(item);
        }

        return sum;
    }

    private static long InBursts(int count, int burst, Action<int> look, int[] found)
    {
        long sum = 0;
        for (int at = 0; at < count; at += burst)
        {
            look(at);
            foreach (int value in found)
            {
                sum += value;
            }
        }

        return sum;
    }
}
