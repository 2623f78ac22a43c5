using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>More neighbours than there is room for, and those that answer as briefly as they may: nobody who matters is lost for them.</summary>
public sealed class NeighborFloodTests
{
    /// <summary>Of the worker's outbox.</summary>
    private const int SlotCount = 64;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Strangers_that_ask_for_the_node_leave_room_for_a_next_hop(Family family)
    {
        var s = new Scenario(family);
        for (int i = 0; i < 2 * s.Node.Live.Neighbors.Capacity; i++)
        {
            IpAddress stranger = Stranger(s.Mesh, i);
            s.Node.Send(TestNode.Uplink, NeighborFrames.Request(stranger, TestNode.MacOf(stranger), s.Mesh.Node));
        }

        ReachesANewNeighbor(s);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_that_scans_the_link_leaves_room_for_a_next_hop(Family family)
    {
        var s = new Scenario(family, new TestNode(conntrackCapacity: 16384, snatCapacity: 16384));
        for (int i = 0; i < 2 * s.Node.Live.Neighbors.Capacity; i++)
        {
            s.Node.Send(TestNode.Curl, TestPacket.Udp(s.Mesh.CurlPod, 40000, Stranger(s.Mesh, i), 53));
        }

        ReachesANewNeighbor(s);
    }

    /// <summary>Who scans has so many strangers asked for in a second and no more; another's next hop is asked for meanwhile.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_that_scans_does_not_have_the_node_ask_without_end(Family family)
    {
        const int Seconds = 3;
        var s = new Scenario(family, new TestNode(conntrackCapacity: 65536, snatCapacity: 65536, workerCount: 1));
        NeighborTable neighbors = s.Node.Live.Neighbors;
        ulong before = neighbors.QuestionCount;
        ulong asked = 0;
        for (int i = 0; i < 30_000; i++)
        {
            s.Node.Send(TestNode.Curl, TestPacket.Udp(s.Mesh.CurlPod, 40000, Stranger(s.Mesh, i), 53));
            if (i % 10_000 == 9_999)
            {
                s.Node.Wait(1);
                asked = neighbors.QuestionCount - before;
            }
        }

        Assert.InRange(asked, 128ul, (ulong)(128 + (Seconds * 250)));
        Assert.InRange(neighbors.LimitedCount, 25_000ul, 30_000ul);
        ReachesANewNeighbor(s);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Packets_for_the_silent_do_not_keep_those_in_use_from_being_asked(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Wait(30);
        for (int i = 0; i < 2 * SlotCount; i++)
        {
            for (int repeat = 0; repeat < 2; repeat++)
            {
                s.Node.Send(TestNode.Curl, TestPacket.Udp(m.CurlPod, 40000, Stranger(m, i), 53));
            }
        }

        TestPacket packet = TestPacket.Udp(m.CurlPod, 40000, m.Outside, 53);
        s.Forwards(TestNode.Curl, packet, m.Gateway, packet.Hopped() with { Source = m.Node });
        byte[] probe = NeighborFrames.Probe(m.Node, TestNode.UplinkMac, m.Gateway, TestNode.MacOf(m.Gateway));
        Assert.Contains(s.Node.Tick(), asked => asked.Frame.AsSpan().SequenceEqual(probe));
    }

    /// <summary>Half of what may wait is one pod's at most: another's first packet to its next hop waits and leaves.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Packets_of_one_pod_for_the_silent_leave_room_for_those_of_another(Family family)
    {
        const int HeldOfOne = 24;
        var s = new Scenario(family, new TestNode(workerCount: 1));
        Mesh m = s.Mesh;
        TestPacket[] scan = [.. Enumerable.Range(0, 2 * SlotCount).Select(i => TestPacket.Udp(m.CurlPod, 40000, Stranger(m, i / 3), 53))];
        Assert.Equal(HeldOfOne, scan.Count(packet => s.Node.Send(TestNode.Curl, packet).Verdict == Verdict.Held));
        Assert.Equal(HeldOfOne, s.Node.Live.Outbox.HeldCount);
        Assert.Equal((ulong)(scan.Length - HeldOfOne), s.Node.DropPackets(DropReason.NoRoute));

        IpAddress nextHop = m.At("172.18.0.200");
        TestPacket packet = TestPacket.Udp(m.Node, 5000, nextHop, 53);
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Host, packet).Verdict);
        Delivery answered = s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(nextHop, TestNode.MacOf(nextHop), m.Node, TestNode.UplinkMac));
        Assert.Equal(TestNode.Uplink, Assert.Single(answered.Outbox).Port);
        Assert.Equal(HeldOfOne, s.Node.Live.Outbox.HeldCount);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Nobody_is_given_up_for_questions_that_had_no_room(Family family)
    {
        var s = new Scenario(family);
        IpAddress[] nodes = [.. Enumerable.Range(0, 5 * SlotCount).Select(i => Stranger(s.Mesh, i))];
        foreach (IpAddress node in nodes)
        {
            s.Node.Live.Neighbors.Solicit(node, s.Node.State.Ports[TestNode.Uplink], s.Node.Now);
        }

        var asked = new HashSet<string>();
        for (int i = 0; i < 10; i++)
        {
            asked.UnionWith(s.Node.Tick().Select(question => Convert.ToHexString(question.Frame)));
            s.Node.Wait(0.01);
        }

        Assert.All(nodes, node => Assert.Contains(Convert.ToHexString(NeighborFrames.Request(s.Mesh.Node, TestNode.UplinkMac, node)), asked));
    }

    /// <summary>Linux answers a question that was sent to its own address without naming its MAC (RFC 4861 section 7.2.4).</summary>
    [Fact]
    public void An_answer_without_a_MAC_confirms_the_one_that_is_known()
    {
        var s = new Scenario(Family.Ipv6);
        Mesh m = s.Mesh;
        TestPacket packet = TestPacket.Udp(m.Node, 5000, m.Neighbor, 53);
        s.Node.Wait(30);
        s.Forwards(TestNode.Host, packet, m.Neighbor, packet);
        Assert.Single(s.Node.Tick());
        Assert.Equal(Verdict.Consumed, s.Node.Send(TestNode.Uplink, BareAdvertisement(m.Neighbor, m.Node, isSolicited: true)).Verdict);
        for (int i = 0; i < 29; i++)
        {
            s.Node.Wait(1);
            Assert.Empty(s.Node.Tick());
            s.Forwards(TestNode.Host, packet, m.Neighbor, packet);
        }
    }

    [Fact]
    public void An_unasked_advertisement_confirms_nothing()
    {
        var s = new Scenario(Family.Ipv6);
        Mesh m = s.Mesh;
        TestPacket packet = TestPacket.Udp(m.Node, 5000, m.Neighbor, 53);
        s.Node.Wait(30);
        s.Forwards(TestNode.Host, packet, m.Neighbor, packet);
        for (int attempt = 1; attempt <= 3; attempt++)
        {
            Assert.Single(s.Node.Tick());
            s.Node.Send(TestNode.Uplink, BareAdvertisement(m.Neighbor, m.Node, isSolicited: false));
            s.Node.Wait(1);
        }

        s.Node.Tick();
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Host, packet).Verdict);

        // Of one whose MAC is not known it says nothing either.
        s.Node.Send(TestNode.Uplink, BareAdvertisement(m.Neighbor, m.Node, isSolicited: true));
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Host, packet).Verdict);
    }

    private static byte[] BareAdvertisement(IpAddress sender, IpAddress destination, bool isSolicited)
    {
        byte[] target = new byte[IpAddress.Length];
        sender.WriteTo(target);
        return (TestPacket.Icmp(sender, destination, 136, 0, isSolicited ? 0x4000_0000u : 0) with { Payload = target, HopLimit = 255 })
            .Frame(TestNode.MacOf(sender), TestNode.UplinkMac);
    }

    private static void ReachesANewNeighbor(Scenario s)
    {
        Mesh m = s.Mesh;
        IpAddress neighbor = m.At("172.18.0.200");
        TestPacket packet = TestPacket.Udp(m.Node, 5000, neighbor, 53);
        Delivery asked = s.Node.Send(TestNode.Host, packet);
        byte[] question = NeighborFrames.Request(m.Node, TestNode.UplinkMac, neighbor);
        Assert.True(asked.Outbox.Count == 1 && asked.Outbox[0].Frame.AsSpan().SequenceEqual(question), $"nobody asked for {neighbor}: {asked}");
        s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(neighbor, TestNode.MacOf(neighbor), m.Node, TestNode.UplinkMac));
        s.Forwards(TestNode.Host, packet, neighbor, packet);
        TestPacket known = packet with { Destination = m.Neighbor };
        s.Forwards(TestNode.Host, known, m.Neighbor, known);
    }

    /// <summary>Machines on the node network that the walk-through does not know.</summary>
    private static IpAddress Stranger(Mesh m, int number) => m.At($"172.18.{100 + (number / 250)}.{1 + (number % 250)}");
}
