using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>Tables that are full of flows that nobody answers: those give way, one for one, and no flow that was answered does.</summary>
public sealed class FloodTests
{
    private const int Capacity = 1000;
    private const int EstablishedCount = 300;
    private const int FloodCount = 100_000;
    private static readonly MonoTime s_now = MonoTime.FromSeconds(1000);
    private static readonly IpAddress s_node = IpAddress.Parse("172.18.0.5");
    private static readonly IpAddress s_world = IpAddress.Parse("203.0.113.9");

    private readonly ConntrackTable _conntrack = new(Capacity, seed: 1);
    private readonly SnatTable _snat = new(Capacity, seed: 2);
    private readonly FlowRandom _random = new(3);

    [Fact]
    public void A_flood_through_a_full_conntrack_table_costs_no_established_flow()
    {
        for (int i = 0; i < EstablishedCount + FloodCount; i++)
        {
            Assert.True((IsEstablished(i) ? Establish(Flow(i)) : Begin(Flow(i))) >= 0, $"flow {i} finds no room");
        }

        Assert.All(Established, i => Assert.True(_conntrack.Find(ConntrackTable.Ordered(Flow(i), out _), s_now) >= 0, $"flow {i} is lost"));
        Assert.Equal((Capacity, (ulong)(FloodCount + EstablishedCount - Capacity), 0ul), (_conntrack.Count, _conntrack.EvictedCount, _conntrack.FailureCount));

        // Who has just begun has a whole round of the hand for its answer.
        FlowKey last = ConntrackTable.Ordered(Flow(EstablishedCount + FloodCount - 1), out _);
        for (int i = 0; i < Capacity / 2; i++)
        {
            Begin(Flow(1_000_000 + i));
        }

        Assert.True(_conntrack.Find(last, s_now) >= 0, "a new flow was given up before others that were older");
    }

    [Fact]
    public void A_table_of_established_flows_refuses_the_next()
    {
        for (int i = 0; i < Capacity; i++)
        {
            Establish(Flow(i));
        }

        Assert.Equal(-1, _conntrack.Create(ConntrackTable.Ordered(Flow(Capacity), out _)));
        Assert.Equal((0ul, 1ul), (_conntrack.EvictedCount, _conntrack.FailureCount));
    }

    /// <summary>SYN floods meet servers that answer: clients that were made up never do. Scans meet servers that refuse.</summary>
    [Fact]
    public void Flows_that_only_the_server_has_answered_or_refused_give_way()
    {
        FlowKey established = Flow(0);
        Establish(established);
        for (int i = 1; i < FloodCount; i++)
        {
            int index = i % 2 == 0 ? HalfOpen(Flow(i)) : Begin(Flow(i));
            Assert.True(index >= 0, $"flow {i} finds no room");
            if (i % 2 != 0)
            {
                ConntrackState.Update(ref _conntrack[index], IpProtocol.Tcp, TcpFlags.Rst | TcpFlags.Ack, isReply: true, 60, s_now);
            }
        }

        Assert.True(_conntrack.Find(ConntrackTable.Ordered(established, out _), s_now) >= 0, "the established flow is lost");
        Assert.Equal(((ulong)(FloodCount - Capacity), 0ul), (_conntrack.EvictedCount, _conntrack.FailureCount));
    }

    [Fact]
    public void What_the_same_packet_needs_does_not_give_way()
    {
        var table = new ConntrackTable(2, seed: 1);
        int first = table.Create(ConntrackTable.Ordered(Flow(0), out _));
        int second = table.Create(ConntrackTable.Ordered(Flow(1), out _));
        table[first].Packets = table[second].Packets = 1;
        Assert.Equal(second, table.Create(ConntrackTable.Ordered(Flow(2), out _), kept: first));
        table[second].Packets = 1;
        Assert.Equal(second, table.Create(ConntrackTable.Ordered(Flow(3), out _), kept: first));
    }

    [Fact]
    public void A_flood_of_masqueraded_flows_costs_no_established_mapping()
    {
        var conntrack = new ConntrackTable(8 * Capacity, seed: 4);
        for (int i = 0; i < EstablishedCount + FloodCount; i++)
        {
            Assert.True(_snat.Create(Flow(i), s_node, 1024, 65535, conntrack, _random, s_now) >= 0, $"flow {i} finds no mapping");
            ref ConntrackEntry entry = ref conntrack[conntrack.Create(ConntrackTable.Ordered(Flow(i), out _))];
            entry.Flags |= ConntrackFlags.Snat;
            ConntrackState.Update(ref entry, IpProtocol.Tcp, TcpFlags.Syn, isReply: false, 60, s_now);
            if (IsEstablished(i))
            {
                ConntrackState.Update(ref entry, IpProtocol.Tcp, TcpFlags.Syn | TcpFlags.Ack, isReply: true, 60, s_now);
                ConntrackState.Update(ref entry, IpProtocol.Tcp, TcpFlags.Ack, isReply: false, 60, s_now);
            }
        }

        Assert.All(Established, i => Assert.True(_snat.FindForward(Flow(i)) >= 0, $"flow {i} has lost its mapping"));
        Assert.Equal((Capacity, 0ul), (_snat.Count, _snat.FailureCount));
        Assert.Equal((ulong)(FloodCount + EstablishedCount - Capacity), _snat.EvictedCount);
    }

    /// <summary>Those that are answered, among the others as they come.</summary>
    private static IEnumerable<int> Established => Enumerable.Range(0, Capacity).Where(IsEstablished);

    private static bool IsEstablished(int i) => i < 3 * EstablishedCount && i % 3 == 0;

    private static FlowKey Flow(int i) => new(IpAddress.FromIpv4(0x0A00_0100 + (uint)(i >> 14)), s_world, (ushort)(1024 + (i & 0x3FFF)), 80, IpProtocol.Tcp);

    private int Begin(in FlowKey key)
    {
        int index = _conntrack.Create(ConntrackTable.Ordered(key, out _));
        if (index >= 0)
        {
            ConntrackState.Update(ref _conntrack[index], IpProtocol.Tcp, TcpFlags.Syn, isReply: false, 60, s_now);
        }

        return index;
    }

    private int Establish(in FlowKey key)
    {
        int index = HalfOpen(key);
        ConntrackState.Update(ref _conntrack[index], IpProtocol.Tcp, TcpFlags.Ack, isReply: false, 60, s_now);
        return index;
    }

    private int HalfOpen(in FlowKey key)
    {
        int index = Begin(key);
        ConntrackState.Update(ref _conntrack[index], IpProtocol.Tcp, TcpFlags.Syn | TcpFlags.Ack, isReply: true, 60, s_now);
        return index;
    }
}
