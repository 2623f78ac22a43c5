using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>Neighbours and fragments against dictionaries, over random operations.</summary>
public sealed class NeighborAndFragmentTwinTests
{
    private const int StepCount = 100_000;

    /// <summary>
    /// The latest MAC of every neighbour that is not failed; failed ones are forgotten after 30 s. In a full table a new one takes the
    /// place of one that nobody would miss, and is refused when all are in use.
    /// </summary>
    [Theory]
    [InlineData(201)]
    [InlineData(202)]
    public void NeighborTable(int seed)
    {
        const int Capacity = 16;
        var random = new Random(seed);
        var outbox = new Outbox(64);
        var table = new NeighborTable(Capacity, outbox, (ulong)seed);
        var counters = new DatapathCounters();
        Port uplink = new TestNode().State.Ports[TestNode.Uplink];
        var twin = new Dictionary<IpAddress, MacAddress>();
        MonoTime now = MonoTime.FromSeconds(50);
        for (int step = 0; step < StepCount; step++)
        {
            string where = $"seed {seed} step {step}";
            IpAddress address = new Mesh(random.Next(2) == 0 ? Family.Ipv4 : Family.Ipv6).At($"172.18.1.{random.Next(12)}");
            bool isIn = Enumerable.Range(0, table.Count).Any(i => table[i].Address == address);
            IpAddress[] expendable = [.. Enumerable.Range(0, table.Count).Where(i => IsExpendable(table[i], now)).Select(i => table[i].Address)];
            bool hasRoom = isIn || table.Count < Capacity || expendable.Length > 0;
            switch (random.Next(8))
            {
                case 0 or 1:
                    bool create = random.Next(2) == 0;
                    var mac = new MacAddress(0x0200_0000_0000 + (ulong)random.Next(1000));
                    table.Learn(address, mac, random.Next(2) == 0, create, now);
                    if (isIn || (create && hasRoom))
                    {
                        twin[address] = mac;
                    }

                    break;
                case 2:
                    Assert.True(table.Solicit(address, uplink, now) == hasRoom, where);
                    break;
                case 3:
                    now = now.PlusSeconds(random.NextDouble());
                    table.Tick(uplink, counters, now);
                    foreach (IpAddress gone in twin.Keys.Where(a => !IsUsable(table, a)).ToArray())
                    {
                        twin.Remove(gone);
                    }

                    break;
                default:
                    bool isKnown = table.TryResolve(address, now, out MacAddress got);
                    Assert.True(isKnown == twin.TryGetValue(address, out MacAddress wanted) && (!isKnown || got == wanted), where);
                    break;
            }

            foreach (IpAddress gone in twin.Keys.Where(a => Enumerable.Range(0, table.Count).All(i => table[i].Address != a)).ToArray())
            {
                Assert.True(expendable.Contains(gone), where);
                twin.Remove(gone);
            }

            while (outbox.TryTake(out int port, out _))
            {
                Assert.Equal(uplink.Id, port);
            }

            Assert.True(Enumerable.Range(0, table.Count).Select(i => table[i].Address).Distinct().Count() == table.Count, where);
        }
    }

    [Theory]
    [InlineData(211)]
    [InlineData(212)]
    public void FragmentTable(int seed)
    {
        var random = new Random(seed);
        var table = new FragmentTable(1024, (ulong)seed);
        var twin = new Dictionary<(FlowKey Bare, uint Id), (FlowKey Key, uint Expires)>();
        uint now = 10;
        int missedCount = 0;
        for (int step = 0; step < StepCount; step++)
        {
            var key = new FlowKey(IpAddress.FromIpv4((uint)random.Next(1, 4)), IpAddress.FromIpv4((uint)random.Next(1, 4)), (ushort)random.Next(9), (ushort)random.Next(9), IpProtocol.Udp);
            FlowKey bare = key with { SourcePort = 0, DestinationPort = 0 };
            uint id = (uint)random.Next(10);
            if (random.Next(3) == 0)
            {
                table.Remember(key, id, MonoTime.FromSeconds(now));
                twin[(bare, id)] = (key, now + 30);
            }
            else
            {
                bool isKnown = twin.TryGetValue((bare, id), out (FlowKey Key, uint Expires) wanted) && wanted.Expires > now;
                bool isFound = table.TryGetPorts(bare, id, MonoTime.FromSeconds(now), out FlowKey got);
                Assert.True(!isFound || (isKnown && got == wanted.Key), $"seed {seed} step {step}");
                missedCount += isKnown && !isFound ? 1 : 0;
            }

            now += random.Next(50) == 0 ? 1u : 0;
        }

        // 90 datagrams in 256 sets of four: one that is pushed out is rare, and allowed.
        Assert.InRange(missedCount, 0, StepCount / 50);
    }

    private static bool IsExpendable(in NeighborEntry entry, MonoTime now) =>
        entry.State is NeighborState.Failed or NeighborState.Stale or NeighborState.Incomplete
        || (entry.State == NeighborState.Reachable && entry.Changed.PlusSeconds(60).Nanoseconds <= now.Nanoseconds);

    private static bool IsUsable(NeighborTable table, IpAddress address) => Enumerable.Range(0, table.Count)
        .Any(i => table[i].Address == address && table[i].State is not (NeighborState.Failed or NeighborState.Incomplete));
}
