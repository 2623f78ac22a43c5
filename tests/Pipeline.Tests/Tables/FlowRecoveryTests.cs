using System.Runtime.CompilerServices;
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
    private readonly byte[][] _bytes =
    [
        .. ((int[])[s_sizes.ConntrackLength, s_sizes.SnatLength, s_sizes.AffinityLength, s_sizes.FragmentLength]).Select(l => GC.AllocateArray<byte>(l, pinned: true)),
    ];

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
        Assert.Equal([40, 0, 0, 0, 0], Enum.GetValues<FlowFate>().Select(recovery.CountOf));
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
                byte[] table = _bytes[random.Next(_bytes.Length)];
                table[random.Next(Math.Min(table.Length, 6000))] = (byte)random.Next(256);
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
            Array.ForEach(_bytes, b => b.AsSpan().Clear());
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

    private FlowMemory Memory(bool isKept) => FlowMemory.Over(s_sizes, _bytes[0], _bytes[1], _bytes[2], _bytes[3], _bytes, isKept);

    private LiveTables Open(bool isKept) => new(Capacity, Capacity, seed: 5, affinityCapacity: Capacity, memory: Memory(isKept));
}
