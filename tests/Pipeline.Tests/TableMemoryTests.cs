using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests;

/// <summary>
/// What flow state costs in memory: the size of each entry, and of the default tables with a million flows really in them. Alone, because
/// the process's memory is measured.
/// </summary>
[Collection(nameof(TableMemoryTests))]
[CollectionDefinition(nameof(TableMemoryTests), DisableParallelization = true)]
[Trait("Category", "Scale")]
public sealed class TableMemoryTests
{
    private const int ConntrackCapacity = 2 << 20;
    private const int SnatCapacity = 512 << 10;
    private const int FlowCount = 1_000_000;
    private const long Limit = 256L << 20;

    [Fact]
    public void Entries_have_the_sizes_that_they_say()
    {
        Assert.Equal(FlowKey.Length, Unsafe.SizeOf<FlowKey>());
        Assert.Equal(40, FlowKey.Length);
        Assert.Equal(ConntrackEntry.Length, Unsafe.SizeOf<ConntrackEntry>());
        Assert.Equal(88, ConntrackEntry.Length);
        Assert.Equal(AffinityEntry.Length, Unsafe.SizeOf<AffinityEntry>());
        Assert.Equal(SnatEntry.Length, Unsafe.SizeOf<SnatEntry>());
        Assert.Equal(64, SnatEntry.Length);
        Assert.Equal(IpAddress.Length, Unsafe.SizeOf<IpAddress>());
    }

    [Fact]
    public void The_default_tables_hold_a_million_service_flows_in_256_MB()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var conntrack = new ConntrackTable(ConntrackCapacity, seed: 3);
        var snat = new SnatTable(SnatCapacity, seed: 4);
        var random = new FlowRandom(5);
        var now = MonoTime.FromSeconds(1);
        IpAddress node = IpAddress.Parse("172.18.0.5");
        for (int i = 0; i < FlowCount; i++)
        {
            // A flow through a service takes two entries: the client's choice and the flow to the backend.
            FlowKey flow = Flow(i);
            conntrack[conntrack.Create(flow with { Scope = FlowScope.Service })].Expires = 100;
            ref ConntrackEntry entry = ref conntrack[conntrack.Create(ConntrackTable.Ordered(flow, out _))];
            entry.Expires = 100;
            entry.Flags |= ConntrackFlags.Snat;
            if (i < SnatCapacity)
            {
                Assert.True(snat.Create(flow, node, 32768, 65535, conntrack, random, now) >= 0, $"flow {i}");
            }
        }

        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.Equal(2 * FlowCount, conntrack.Count);
        Assert.True(held <= Limit, $"{held >> 20} MiB are more than {Limit >> 20}");
        Assert.InRange(held - conntrack.MemoryLength - snat.MemoryLength, -1 << 16, 1 << 16);
        for (int i = 0; i < FlowCount; i++)
        {
            FlowKey flow = Flow(i);
            int index = conntrack.Find(ConntrackTable.Ordered(flow.Reversed, out _), now);
            Assert.True(index >= 0 && conntrack[index].Key == ConntrackTable.Ordered(flow, out _), $"flow {i}");
        }

        Assert.Equal(2 * FlowCount, conntrack.Sweep(ConntrackCapacity, MonoTime.FromSeconds(100)));
        Assert.Equal(SnatCapacity, snat.Sweep(SnatCapacity, conntrack, MonoTime.FromSeconds(100)));
        Assert.Equal(0, conntrack.Count + snat.Count);
    }

    /// <summary>A hundred ports towards each of ten thousand machines.</summary>
    private static FlowKey Flow(int i) =>
        new(IpAddress.FromIpv4(0x0A00_0000 + (uint)(i % 50)), IpAddress.FromIpv4(0x0B00_0000 + (uint)(i % 10_000)), (ushort)(40_000 + (i / 10_000)), 80, IpProtocol.Tcp);
}
