using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>Flow tables that another process left: what is sound goes on, what is not is counted and gone, whatever lies in the memory.</summary>
public sealed class FlowRecoveryTests
{
    private const int Capacity = 64;
    private static readonly MonoTime s_now = MonoTime.FromSeconds(1000);
    private static readonly FlowSizes s_sizes = new(Capacity, Capacity, AffinityTable.PlacesFor(Capacity), LiveTables.FragmentCapacity);
    private static readonly IpAddress s_world = IpAddress.Parse("203.0.113.9");
    private static readonly IpAddress s_pod = new Mesh(Family.Ipv4).CurlPod;

    private readonly TestNode _node = new(workerCount: 1);
    private readonly (ConntrackEntry[] Conntrack, SnatEntry[] Snat, AffinityEntry[] Affinities, FragmentEntry[] Fragments) _entries =
        (new ConntrackEntry[s_sizes.Conntrack], new SnatEntry[s_sizes.Snat], new AffinityEntry[s_sizes.AffinityPlaces], new FragmentEntry[s_sizes.Fragments]);

    private readonly TableHead[][] _heads = [new TableHead[1], new TableHead[1], new TableHead[1], new TableHead[1]];

    [Fact]
    public void Entries_have_the_sizes_that_the_layout_has() =>
        Assert.Equal((88, 64, 40, 48), (Unsafe.SizeOf<ConntrackEntry>(), Unsafe.SizeOf<SnatEntry>(), Unsafe.SizeOf<AffinityEntry>(), Unsafe.SizeOf<FragmentEntry>()));

    [Fact]
    public void What_is_sound_goes_on()
    {
        LiveTables before = Open(isKept: false);
        FlowKey[] keys = [.. Enumerable.Range(0, 20).Select(i => AddFlow(before, (ushort)(4000 + i)))];
        before.Conntrack.Remove(before.Conntrack.Find(ConntrackTable.Ordered(keys[3], out _), s_now));
        before.Snat.Remove(before.Snat.FindForward(keys[3]), before.Conntrack, s_now);
        (Frontend frontend, Backend backend) = Service();
        int choice = before.Conntrack.Create(new FlowKey(s_pod, frontend.Address, 5000, frontend.Port, frontend.Protocol, FlowScope.Service));
        before.Conntrack[choice].RevNat = frontend.Id;
        before.Conntrack[choice].BackendId = backend.Id;
        before.Conntrack[choice].Expires = s_now.Seconds + 50;
        before.Fragments.Remember(keys[0], 77, s_now);

        LiveTables after = Open(isKept: true);
        FlowRecovery recovery = Recover(after);
        Assert.Equal((20, 19), (recovery.FlowCount, recovery.MappingCount));
        Assert.Equal((20, 19), (after.Conntrack.Count, after.Snat.Count));
        Assert.Equal([40, 0, 0, 0, 0, 0, 0], Enum.GetValues<FlowFate>().Select(recovery.CountOf));
        foreach (FlowKey key in keys.Where((_, i) => i != 3))
        {
            int mapping = after.Snat.FindForward(key);
            Assert.True(mapping >= 0 && after.Snat.FindReverse(after.Snat[mapping].Translated.Reversed) == mapping, $"{key} has lost its mapping");
            Assert.True(after.Snat.FlowOf(mapping, after.Conntrack, s_now) >= 0, $"{key} is lost");
        }

        Assert.Equal(-1, after.Snat.FindForward(keys[3]));
        Assert.True(after.Fragments.TryGetPorts(keys[0] with { SourcePort = 0, DestinationPort = 0 }, 77, s_now, out _));

        // And the room is whole: every other entry can be had, none twice.
        uint generation = after.Conntrack[after.Conntrack.Find(ConntrackTable.Ordered(keys[0], out _), s_now)].Generation;
        for (int i = after.Conntrack.Count; i < Capacity; i++)
        {
            int made = after.Conntrack.Create(ConntrackTable.Ordered(Flow((ushort)(9000 + i)), out _));
            Assert.True(made >= 0 && after.Conntrack[made].Generation > generation);
        }

        Assert.Equal(-1, after.Conntrack.Create(ConntrackTable.Ordered(Flow(1), out _)));
    }

    [Fact]
    public void Where_there_is_less_room_flows_that_have_only_begun_stay_behind()
    {
        LiveTables before = Open(isKept: false);
        FlowKey[] keys = [.. Enumerable.Range(0, 60).Select(i => AddFlow(before, (ushort)(4000 + i)))];
        foreach ((int i, FlowKey key) in keys.Index())
        {
            ref ConntrackEntry entry = ref before.Conntrack[before.Conntrack.Find(ConntrackTable.Ordered(key, out _), s_now)];
            entry.Packets = 2;
            entry.LastRx = i % 2 == 0 ? 0 : s_now.Seconds;
            entry.Flags |= i % 2 == 0 ? 0 : ConntrackFlags.SeenNonSyn;
        }

        var after = new LiveTables(40, 35, seed: 5, affinityCapacity: Capacity);
        var recovery = new FlowRecovery(_node.State.Current, TestNode.LocalSpec().PodCidrs, s_now);
        var former = new FormerFlows(
            before.Conntrack.Entries.ToArray().Where(e => (e.Flags & ConntrackFlags.Used) != 0), Enumerable.Range(0, 60).Select(i => before.Snat[i]), [], []);
        var conversion = new FlowConversion(former, recovery, null, null, _node.State.Current);
        conversion.TakeFlows(after, 0);
        conversion.TakeRest(after, 0);
        conversion.Finish();
        Assert.Equal((40, 35), (recovery.FlowCount, recovery.MappingCount));
        Assert.Equal([75, 0, 0, 0, 20, 25, 0], Enum.GetValues<FlowFate>().Select(recovery.CountOf)); // 20 mappings of flows that found no room, 20 of those and 5 mappings found none.
        Assert.All(keys.Where((_, i) => i % 2 == 1), key => Assert.True(after.Conntrack.Find(ConntrackTable.Ordered(key, out _), s_now) >= 0));
    }

    [Theory]
    [InlineData("half-written flow", FlowFate.Broken, 2)]
    [InlineData("half-written mapping", FlowFate.Broken, 1)]
    [InlineData("protocol nobody has", FlowFate.Broken, 2)]
    [InlineData("ends the wrong way round", FlowFate.Broken, 2)]
    [InlineData("lives too long", FlowFate.Broken, 2)]
    [InlineData("seen in the future", FlowFate.Broken, 2)]
    [InlineData("over", FlowFate.Expired, 2)]
    [InlineData("unknown service", FlowFate.Orphaned, 2)]
    [InlineData("pod that is gone", FlowFate.Orphaned, 2)]
    [InlineData("address the node has no more", FlowFate.Orphaned, 1)]
    [InlineData("mapping twice", FlowFate.Unpaired, 1)]
    [InlineData("flow without SNAT", FlowFate.Unpaired, 1)]
    public void What_is_not_sound_is_counted_and_gone(string fault, FlowFate fate, int goneCount)
    {
        LiveTables before = Open(isKept: false);
        FlowKey other = AddFlow(before, 4000);
        FlowKey key = AddFlow(before, 4001);
        FlowMemory memory = Memory(isKept: true);
        int flow = before.Conntrack.Find(ConntrackTable.Ordered(key, out _), s_now);
        ref ConntrackEntry entry = ref memory.Conntrack[flow];
        ref SnatEntry mapping = ref memory.Snat[before.Snat.FindForward(key)];
        switch (fault)
        {
            case "half-written flow": memory.Conntrack.BeginWrite(flow); break;
            case "half-written mapping": memory.Snat.BeginWrite(before.Snat.FindForward(key)); break;
            case "protocol nobody has": entry.Key = entry.Key with { Protocol = (IpProtocol)200 }; break;
            case "ends the wrong way round": entry.Key = entry.Key.Reversed; break;
            case "lives too long": entry.Expires = s_now.Seconds + ConntrackTimers.Tcp + 1; break;
            case "seen in the future": entry.LastRx = s_now.Seconds + 1; break;
            case "over": entry.Expires = s_now.Seconds; break;
            case "unknown service": entry.RevNat = 0xFFFFF; break;
            case "pod that is gone": entry.Key = ConntrackTable.Ordered(key with { Source = IpAddress.Parse("10.0.1.250") }, out _); break;
            case "address the node has no more": mapping.NatAddress = IpAddress.Parse("172.18.0.77"); break;
            case "mapping twice": mapping.NatPort = before.Snat[before.Snat.FindForward(other)].NatPort; mapping.Forward = other; break;
            default: entry.Flags &= ~ConntrackFlags.Snat; break;
        }

        LiveTables after = Open(isKept: true);
        FlowRecovery recovery = Recover(after);
        // A flow takes its mapping with it, which then has no counterpart.
        Assert.Equal(goneCount - 1 + (fate == FlowFate.Unpaired ? 1 : 0), recovery.CountOf(FlowFate.Unpaired));
        Assert.Equal(1, recovery.CountOf(fate));
        Assert.Equal(4 - goneCount, after.Conntrack.Count + after.Snat.Count);
        Assert.True(after.Snat.FindForward(other) >= 0 && after.Snat.FlowOf(after.Snat.FindForward(other), after.Conntrack, s_now) >= 0, "the other flow is lost");
    }

    [Fact]
    public void Whatever_lies_in_the_memory_the_tables_work_on_it()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            LiveTables before = Open(isKept: false);
            for (ushort i = 0; i < 40; i++)
            {
                AddFlow(before, (ushort)(4000 + i));
            }

            for (int i = random.Next(60); i >= 0; i--)
            {
                int table = random.Next(4);
                Span<byte> head = MemoryMarshal.AsBytes(_heads[table].AsSpan());
                Span<byte> entries = Bytes(table);
                int at = random.Next(Math.Min(head.Length + entries.Length, 6000));
                (at < head.Length ? ref head[at] : ref entries[at - head.Length]) = (byte)random.Next(256);
            }

            LiveTables after = Open(isKept: true);
            Recover(after);
            int found = Enumerable.Range(0, Capacity).Count(i => (after.Conntrack[i].Flags & ConntrackFlags.Used) != 0 && after.Conntrack.Find(after.Conntrack[i].Key, s_now) == i);
            Assert.True(found == after.Conntrack.Count, $"seed {seed}: {found} of {after.Conntrack.Count} entries are found");
            for (int i = after.Conntrack.Count; i < Capacity; i++)
            {
                Assert.True(after.Conntrack.Create(ConntrackTable.Ordered(Flow((ushort)(9000 + i)), out _)) >= 0, $"seed {seed}: entry {i} cannot be had");
            }

            after.Snat.Sweep(Capacity, after.Conntrack, MonoTime.FromSeconds(100_000));
            after.Conntrack.Sweep(Capacity, MonoTime.FromSeconds(100_000));
            Assert.True(after.Conntrack.Count + after.Snat.Count == 0, $"seed {seed}: something cannot be removed");
            for (int table = 0; table < 4; table++)
            {
                Bytes(table).Clear();
                _heads[table][0] = default;
            }
        }
    }

    private static FlowKey Flow(ushort port) => new(s_pod, s_world, port, 443, IpProtocol.Tcp);

    private (Frontend Frontend, Backend Backend) Service()
    {
        Frontend frontend = _node.State.Desired.Services.Values.SelectMany(s => _node.State.FrontendsOf(s.Name)).First(f => f.Address.IsIpv4 && f.Backends.Length > 0);
        return (frontend, frontend.Backends[0]);
    }

    private FlowKey AddFlow(LiveTables live, ushort port)
    {
        FlowKey key = Flow(port);
        ref ConntrackEntry entry = ref live.Conntrack[live.Conntrack.Create(ConntrackTable.Ordered(key, out bool swapped))];
        entry.Flags |= ConntrackFlags.Snat | (swapped ? ConntrackFlags.ClientIsSecond : 0);
        entry.Expires = s_now.Seconds + 100;
        Assert.True(live.Snat.Create(key, _node.State.Current.Masquerade.Ipv4Address, 32768, 65535, live.Conntrack, live.Random, s_now) >= 0);
        return key;
    }

    private FlowRecovery Recover(LiveTables live)
    {
        var recovery = new FlowRecovery(_node.State.Current, TestNode.LocalSpec().PodCidrs, s_now);
        recovery.Run(live);
        return recovery;
    }

    private Span<byte> Bytes(int table) => table switch
    {
        0 => MemoryMarshal.AsBytes(_entries.Conntrack.AsSpan()),
        1 => MemoryMarshal.AsBytes(_entries.Snat.AsSpan()),
        2 => MemoryMarshal.AsBytes(_entries.Affinities.AsSpan()),
        _ => MemoryMarshal.AsBytes(_entries.Fragments.AsSpan()),
    };

    private FlowMemory Memory(bool isKept) => new(
        new ArrayRows<ConntrackEntry>(_entries.Conntrack, _heads[0], isKept),
        new ArrayRows<SnatEntry>(_entries.Snat, _heads[1], isKept),
        new ArrayRows<AffinityEntry>(_entries.Affinities, _heads[2], isKept),
        new ArrayRows<FragmentEntry>(_entries.Fragments, _heads[3], isKept));

    private LiveTables Open(bool isKept) => new(Capacity, Capacity, seed: 5, affinityCapacity: Capacity, memory: Memory(isKept));
}
