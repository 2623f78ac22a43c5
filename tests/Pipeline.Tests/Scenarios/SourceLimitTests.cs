using System.Runtime.InteropServices;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Limits by source: who has or begins too many flows gets no more, and nobody else notices.</summary>
public sealed class SourceLimitTests
{
    private const int Limit = 5;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_has_so_many_flows_at_once_and_keeps_them(Family family)
    {
        Scenario s = Limited(family, new() { PodFlowCount = Limit });
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Curl, Flow(s, i));
        }

        s.Drops(TestNode.Curl, Flow(s, Limit), DropReason.SourceLimit, SourceLimitDetail.Flows);
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Curl, Flow(s, i));
        }

        // Another pod has its own; the node's own stack has no limit.
        s.Sends(TestNode.Web1, Flow(s, 0) with { Source = s.Mesh.Webpod1 });
        for (int i = 0; i < 4 * Limit; i++)
        {
            s.Sends(TestNode.Host, Flow(s, i) with { Source = s.Mesh.Node });
        }

        Assert.Equal(1ul, s.Node.Live.Conntrack.Sources!.FlowsLimitedCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Flows_that_are_over_make_room(Family family)
    {
        Scenario s = Limited(family, new() { PodFlowCount = Limit });
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < Limit; i++)
            {
                s.Sends(TestNode.Curl, Flow(s, (100 * round) + i));
            }

            s.Drops(TestNode.Curl, Flow(s, 50), DropReason.SourceLimit, SourceLimitDetail.Flows);
            s.Node.Wait(ConntrackTimers.Any);

            // Who stands at its limit has what is over swept, and long before the next round.
            s.Drops(TestNode.Curl, Flow(s, 50), DropReason.SourceLimit, SourceLimitDetail.Flows);
            for (int i = 0; i < s.Node.Live.Conntrack.Capacity / 64; i++)
            {
                s.Node.Wait(0.01);
                s.Node.Tick();
            }
        }
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_begins_so_many_flows_in_a_second(Family family)
    {
        Scenario s = Limited(family, new() { PodNewPerSecond = Limit });
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Curl, Flow(s, i));
        }

        s.Drops(TestNode.Curl, Flow(s, Limit), DropReason.SourceLimit, SourceLimitDetail.NewFlows);
        s.Node.Wait(1.0 / Limit);
        s.Sends(TestNode.Curl, Flow(s, Limit));
        s.Drops(TestNode.Curl, Flow(s, Limit + 1), DropReason.SourceLimit, SourceLimitDetail.NewFlows);
        s.Sends(TestNode.Curl, Flow(s, 0));
        s.Node.Wait(1);
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Curl, Flow(s, 100 + i));
        }
    }

    /// <summary>A service's flow has two entries and is one flow; a refused one leaves none.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_flow_to_a_service_counts_once(Family family)
    {
        Scenario s = Limited(family, new() { PodFlowCount = Limit, PodNewPerSecond = Limit });
        TestPacket syn = TestPacket.Tcp(s.Mesh.CurlPod, 1024, s.Mesh.ClusterIp, 80, TcpFlags.Syn);
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Curl, syn with { SourcePort = (ushort)(2000 + i) });
        }

        s.Drops(TestNode.Curl, syn with { SourcePort = 3000 }, DropReason.SourceLimit, SourceLimitDetail.Flows);
        Assert.Equal(2 * Limit, s.Node.ConntrackCount);
    }

    /// <summary>Sources of the node network count by their prefix, which is a subscriber's in IPv6.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_prefix_of_the_node_network_is_one_source(Family family)
    {
        Scenario s = Limited(family, new() { OuterFlowCount = Limit, Ipv4PrefixLength = 24, Ipv6PrefixLength = 120 });
        TestPacket syn = TestPacket.Tcp(s.Mesh.Outside, 1024, s.Mesh.Node, 30080, TcpFlags.Syn);
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Uplink, syn with { Source = s.Mesh.At($"203.0.113.{i + 1}") });
        }

        s.Drops(TestNode.Uplink, syn with { Source = s.Mesh.At("203.0.113.99") }, DropReason.SourceLimit, SourceLimitDetail.Flows);
        s.Sends(TestNode.Uplink, syn with { Source = s.Mesh.At("203.0.114.1") });
        s.Sends(TestNode.Curl, Flow(s, 1));
    }

    /// <summary>One that had to give way in a full table counts no more.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Flows_that_gave_way_count_no_more(Family family)
    {
        Scenario s = Limited(family, new() { PodFlowCount = Limit }, conntrackCapacity: Limit);
        for (int i = 0; i < Limit; i++)
        {
            s.Sends(TestNode.Curl, Flow(s, i));
        }

        s.Sends(TestNode.Host, Flow(s, 0) with { Source = s.Mesh.Node });
        s.Sends(TestNode.Curl, Flow(s, Limit));
    }

    [Fact]
    public void More_sources_than_are_kept_in_mind_cost_nobody_a_flow()
    {
        var limits = new SourceLimits(new() { OuterFlowCount = 2 }, seed: 1, placeCount: 64);
        for (uint i = 0; i < 10_000; i++)
        {
            var p = new PacketContext([], 0, 0, default, 0) { IngressKind = PortKind.Uplink, ReceivedKey = new FlowKey(IpAddress.FromIpv4(0xCB00_0000 + i), default, 1, 1, IpProtocol.Udp) };
            Assert.True(limits.TryAdmit(ref p, MonoTime.FromSeconds(1000)), $"source {i} is refused its first flow");
            var entry = new ConntrackEntry { Key = p.ReceivedKey, Flags = ConntrackFlags.Used | ConntrackFlags.Inbound };
            limits.Begin(ref entry);
            Assert.True((entry.Flags & ConntrackFlags.Counted) != 0);
        }

        Assert.Equal(10_000ul - 64, limits.EvictedCount);
    }

    [Theory]
    [InlineData(1, 1000)]
    [InlineData(3, 334)]
    public void Workers_share_a_limit(int workerCount, int share) => Assert.Equal(share, new SourceLimitRules { PodFlowCount = 1000 }.Share(workerCount).PodFlowCount);

    [Fact]
    public void A_source_has_no_hidden_bytes() => Assert.Equal(SourceEntry.Length, Marshal.SizeOf<SourceEntry>());

    [Fact]
    public void Nothing_is_asked_where_nothing_is_limited() => Assert.Null(new TestNode().Live.Conntrack.Sources);

    private static Scenario Limited(Family family, SourceLimitRules rules, int conntrackCapacity = 4096) =>
        new(family, new TestNode(conntrackCapacity: conntrackCapacity, local: l => l with { Flows = new FlowOptions { SourceLimits = rules } }, workerCount: 1));

    private static TestPacket Flow(Scenario s, int number) => TestPacket.Udp(s.Mesh.CurlPod, (ushort)(1024 + number), s.Mesh.Outside, 53);
}
