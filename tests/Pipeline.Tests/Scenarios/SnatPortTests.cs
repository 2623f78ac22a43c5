using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Which port a masqueraded flow gets, when it gets the same again, and how many fit.</summary>
public sealed class SnatPortTests
{
    private const int InRange = 40000;

    /// <summary>65,000 flows to each of several destinations, of 65,535 ports; the last ones of each find what is left.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Each_destination_takes_65_000_flows(Family family)
    {
        const int PerDestination = 65_000;
        const int DestinationCount = 4;
        const ushort First = 1;
        var m = new Mesh(family);
        var conntrack = new ConntrackTable(PerDestination * DestinationCount, seed: 1);
        var snat = new SnatTable(PerDestination * DestinationCount, seed: 2);
        var random = new FlowRandom(3);
        var now = MonoTime.FromSeconds(1000);
        for (int i = 0; i < PerDestination; i++)
        {
            // Two pods with the same ports: half of all flows meet the other's.
            IpAddress pod = i % 2 == 0 ? m.CurlPod : m.Webpod1;
            for (int destination = 0; destination < DestinationCount; destination++)
            {
                var key = new FlowKey(pod, m.At($"203.0.113.{destination + 1}"), (ushort)(1 + (i / 2)), 443, IpProtocol.Tcp);
                Assert.True(snat.Create(key, m.Node, First, ushort.MaxValue, conntrack, random, now) >= 0, $"flow {i} to {destination}");
                ref ConntrackEntry flow = ref conntrack[conntrack.Create(ConntrackTable.Ordered(key, out _))];
                flow.Expires = uint.MaxValue;
                flow.Flags |= ConntrackFlags.Snat;
            }
        }

        Assert.Equal(PerDestination * DestinationCount, snat.Count);
        Assert.Equal(0ul, snat.FailureCount);
    }

    /// <summary>A destination that has all ports costs one long search a second, and no more.</summary>
    [Fact]
    public void A_full_destination_is_searched_once_a_second()
    {
        const ushort First = 60_000;
        var m = new Mesh(Family.Ipv4);
        var conntrack = new ConntrackTable(10_000, seed: 1);
        var snat = new SnatTable(10_000, seed: 2);
        var random = new FlowRandom(3);
        var now = MonoTime.FromSeconds(1000);
        int i = 0;
        for (; snat.FailureCount == 0; i++)
        {
            Open(i);
        }

        Assert.InRange(i, 5000, ushort.MaxValue - First + 2);
        Assert.True(snat.TakeSweepWanted());
        Assert.False(snat.TakeSweepWanted());
        ulong collisions = snat.CollisionCount;
        int begun = i;
        for (; snat.FailureCount < 100; i++)
        {
            Open(i);
        }

        Assert.True(snat.CollisionCount - collisions <= 32ul * (ulong)(i - begun), $"{snat.CollisionCount - collisions} tries");
        now = now.PlusSeconds(1);
        collisions = snat.CollisionCount;
        Open(i++);
        Open(i);
        Assert.True(snat.CollisionCount - collisions > 64, $"{snat.CollisionCount - collisions} tries");

        void Open(int number)
        {
            var key = new FlowKey(m.CurlPod, m.Outside, (ushort)(1 + number), 443, IpProtocol.Tcp);
            snat.Create(key, m.Node, First, ushort.MaxValue, conntrack, random, now);
            ref ConntrackEntry flow = ref conntrack[conntrack.Create(ConntrackTable.Ordered(key, out _))];
            flow.Expires = uint.MaxValue;
            flow.Flags |= ConntrackFlags.Snat;
        }
    }

    /// <summary>RFC 4787 section 4.1: whoever talks to the client by one destination's mapping meets it at the other's.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_clients_port_is_the_same_to_all_destinations(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket packet = TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53);
        ushort port = s.Sends(TestNode.Curl, packet).SourcePort;
        foreach (TestPacket other in (TestPacket[])[packet with { Destination = m.RouterOnTheWay }, packet with { DestinationPort = 54 }])
        {
            s.Forwards(TestNode.Curl, other, m.Gateway, other.Hopped() with { Source = m.Node, SourcePort = port });
        }

        TestPacket another = packet with { SourcePort = 1025 };
        Assert.NotEqual(port, s.Sends(TestNode.Curl, another).SourcePort);
    }

    /// <summary>The flow goes on in both directions as if nothing had been lost.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_lost_mapping_is_restored_with_its_port(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        foreach (ushort client in (ushort[])[1024, InRange])
        {
            TestPacket request = TestPacket.Udp(m.CurlPod, client, m.Outside, 53);
            ushort port = s.Sends(TestNode.Curl, request).SourcePort;
            TestPacket reply = TestPacket.Udp(m.Outside, 53, m.Node, port);
            for (int i = 0; i < 3; i++)
            {
                s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Destination = m.CurlPod, DestinationPort = client });
                Forget(s, request);
                s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node, SourcePort = port });
            }

            s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Destination = m.CurlPod, DestinationPort = client });
        }
    }

    /// <summary>bpf/lib/nat.h: a mapping to an address that is the node's no more is made anew, under the one that is.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_mapping_to_a_former_address_is_made_anew(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Udp(m.CurlPod, InRange, m.Outside, 53);
        s.Forwards(TestNode.Curl, request, m.Gateway, request.Hopped() with { Source = m.Node });
        Snapshot now = s.Node.State.Current;
        IpAddress other = m.At("172.18.0.6");
        Snapshot moved = now with { Masquerade = now.Masquerade with { Ipv4Address = other, Ipv6Address = other } };
        byte[] buffer = new byte[PacketContext.BufferLength];
        byte[] frame = s.Node.Arriving(TestNode.Curl, request);
        frame.CopyTo(buffer, PacketContext.Headroom);
        var p = new PacketContext(buffer, PacketContext.Headroom, frame.Length, default, s.Node.State.Ports[TestNode.Curl].Id);
        Assert.Equal(Verdict.Transmit, new PacketPipeline(s.Node.Live).Process(ref p, moved, s.Node.Now));
        string difference = FrameText.Difference(p.Frame.ToArray(), s.Node.Leaving(TestNode.Uplink, request.Hopped() with { Source = other }, m.Gateway));
        Assert.True(difference.Length == 0, difference);
        Assert.Equal((1, 1ul), (s.Node.Live.Snat.Count, s.Node.Live.Snat.DeletedCount));
    }

    /// <summary>Another has taken the port meanwhile: the flow must not go on under it, not even by the shortcut.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_lost_mapping_whose_port_is_taken_gets_another(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket first = TestPacket.Udp(m.CurlPod, InRange, m.Outside, 53);
        TestPacket second = first with { Source = m.Webpod1 };
        TestPacket reply = TestPacket.Udp(m.Outside, 53, m.Node, InRange);
        for (int i = 0; i < 3; i++)
        {
            s.Forwards(TestNode.Curl, first, m.Gateway, first.Hopped() with { Source = m.Node });
            s.Forwards(TestNode.Uplink, reply, TestNode.Curl, reply.Hopped() with { Destination = m.CurlPod });
        }

        Forget(s, first);
        s.Forwards(TestNode.Web1, second, m.Gateway, second.Hopped() with { Source = m.Node });
        s.Forwards(TestNode.Uplink, reply, TestNode.Web1, reply.Hopped() with { Destination = m.Webpod1 });
        ushort port = s.Sends(TestNode.Curl, first).SourcePort;
        Assert.NotEqual(InRange, port);
        for (int i = 0; i < 3; i++)
        {
            s.Forwards(TestNode.Curl, first, m.Gateway, first.Hopped() with { Source = m.Node, SourcePort = port });
            s.Forwards(TestNode.Uplink, reply, TestNode.Web1, reply.Hopped() with { Destination = m.Webpod1 });
        }
    }

    /// <summary>Only the flow whose mapping went takes the stages; others keep their shortcut.</summary>
    [Fact]
    public void A_lost_mapping_costs_the_others_nothing()
    {
        Assert.SkipUnless(TestNode.HasShortcut, "there is no shortcut in this process");
        var s = new Scenario(Family.Ipv4);
        Mesh m = s.Mesh;
        TestPacket lost = TestPacket.Udp(m.CurlPod, InRange, m.Outside, 53);
        TestPacket other = lost with { SourcePort = InRange + 1 };
        foreach (TestPacket packet in (TestPacket[])[lost, other])
        {
            TestPacket reply = TestPacket.Udp(m.Outside, 53, m.Node, packet.SourcePort);
            for (int i = 0; i < 2; i++)
            {
                s.Sends(TestNode.Curl, packet);
                s.Sends(TestNode.Uplink, reply);
            }
        }

        ulong taken = s.Node.Live.Shortcuts.TakenCount;
        Forget(s, lost);
        s.Sends(TestNode.Curl, other);
        Assert.Equal(taken + 1, s.Node.Live.Shortcuts.TakenCount);
        s.Sends(TestNode.Curl, lost);
        Assert.Equal(taken + 1, s.Node.Live.Shortcuts.TakenCount);
    }

    /// <summary>A mapping of a flow that is over gives way at once, swept or not.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_dead_flows_port_is_free(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket first = TestPacket.Udp(m.CurlPod, InRange, m.Outside, 53);
        TestPacket second = first with { Source = m.Webpod1 };
        s.Forwards(TestNode.Curl, first, m.Gateway, first.Hopped() with { Source = m.Node });
        s.Node.Wait(ConntrackTimers.Any);
        s.Forwards(TestNode.Web1, second, m.Gateway, second.Hopped() with { Source = m.Node });
        Assert.Equal(1, s.Node.Live.Snat.Count);
        Assert.Equal(1ul, s.Node.Live.Snat.ExpiredCount);
    }

    /// <summary>bpf/lib/nat.h: only a request opens a mapping.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void An_echo_reply_that_nobody_asked_for_passes_as_it_is(Family family)
    {
        var s = new Scenario(family);
        TestPacket reply = TestPacket.EchoReply(s.Mesh.CurlPod, s.Mesh.Outside, 7);
        s.Forwards(TestNode.Curl, reply, s.Mesh.Gateway, reply.Hopped());
        Assert.Equal(0, s.Node.Live.Snat.Count);
    }

    private static void Forget(Scenario s, TestPacket packet)
    {
        var key = new FlowKey(packet.Source, packet.Destination, packet.SourcePort, packet.DestinationPort, packet.Protocol);
        s.Node.Live.Snat.Remove(s.Node.Live.Snat.FindForward(key), s.Node.Live.Conntrack, s.Node.Now);
    }
}
