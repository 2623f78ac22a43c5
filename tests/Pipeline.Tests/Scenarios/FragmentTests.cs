using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Fragments: the later ones follow the first through every translation, and nothing passes without it.</summary>
public sealed class FragmentTests
{
    private static readonly byte[] s_payload = [.. Enumerable.Range(0, 3000).Select(i => (byte)(i * 7))];

    public static TheoryData<Family, IpProtocol> Transports => new()
    {
        { Family.Ipv4, IpProtocol.Udp }, { Family.Ipv6, IpProtocol.Udp }, { Family.Ipv4, IpProtocol.Tcp }, { Family.Ipv6, IpProtocol.Tcp },
    };

    [Theory]
    [MemberData(nameof(Transports))]
    public void Fragments_follow_the_first(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", protocol, 80, 30080, 8080, x => x.EastPod)] });
        TestPacket toService = TestPacket.Of(protocol, m.CurlPod, 1024, m.ClusterIp, 80) with { Payload = s_payload };
        TestPacket toBackend = toService with { Destination = m.EastPod, DestinationPort = 8080 };
        TestPacket toOutside = toService with { Destination = m.Outside, Id = 99 };
        for (int offset = 0; offset < 3000; offset += 1000)
        {
            s.Forwards(TestNode.Curl, toService.Fragment(offset, 1000), m.EastWorker, toBackend.Fragment(offset, 1000).Hopped());
        }

        ushort port = s.Sends(TestNode.Curl, toOutside.Fragment(0, 1000)).SourcePort;
        for (int offset = 0; offset < 3000; offset += 1000)
        {
            TestPacket masqueraded = toOutside with { Source = m.Node, SourcePort = port };
            s.Forwards(TestNode.Curl, toOutside.Fragment(offset, 1000), m.Gateway, masqueraded.Fragment(offset, 1000).Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Fragments_of_answers_are_restored(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Sends(TestNode.Curl, TestPacket.Of(protocol, m.CurlPod, 40000, m.Outside, 53));
        TestPacket answer = TestPacket.Of(protocol, m.Outside, 53, m.Node, 40000) with { Payload = s_payload };
        TestPacket restored = answer with { Destination = m.CurlPod };
        foreach (int offset in (int[])[0, 2000, 1000])
        {
            s.Forwards(TestNode.Uplink, answer.Fragment(offset, 1000), TestNode.Curl, restored.Fragment(offset, 1000).Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Without_the_first_the_later_are_dropped(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        TestPacket whole = TestPacket.Of(protocol, s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 80) with { Payload = s_payload };
        s.Drops(TestNode.Curl, whole.Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Sends(TestNode.Curl, whole.Fragment(0, 1000));
        s.Drops(TestNode.Curl, (whole with { Id = 1 }).Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Drops(TestNode.Curl, (whole with { Destination = s.Mesh.Webpod2 }).Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Node.Wait(29);
        s.Sends(TestNode.Curl, whole.Fragment(1000, 1000));
        s.Node.Wait(1);
        s.Drops(TestNode.Curl, whole.Fragment(2000, 1000), DropReason.FirstFragmentMissing);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Fragments_of_icmp_are_dropped(Family family)
    {
        var s = new Scenario(family);
        TestPacket echo = TestPacket.EchoRequest(s.Mesh.CurlPod, s.Mesh.Webpod1, 7) with { Payload = s_payload };
        s.Drops(TestNode.Curl, echo.Fragment(0, 1000), DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, echo.Fragment(1000, 1000), DropReason.InvalidPacket);
    }

    /// <summary>By option those that were overtaken wait, and leave behind the first in the order in which they came.</summary>
    [Theory]
    [MemberData(nameof(Transports))]
    public void Early_ones_wait_for_the_first(Family family, IpProtocol protocol)
    {
        Scenario s = Holding(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", protocol, 80, 30080, 8080, x => x.EastPod)] });
        TestPacket sent = TestPacket.Of(protocol, m.CurlPod, 1024, m.ClusterIp, 80) with { Payload = s_payload };
        TestPacket left = sent.Hopped() with { Destination = m.EastPod, DestinationPort = 8080 };
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Curl, sent.Fragment(2000, 8000)).Verdict);
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Curl, sent.Fragment(1000, 1000)).Verdict);
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Curl, (sent with { Id = 1 }).Fragment(1000, 1000)).Verdict);
        Delivery first = s.Node.Send(TestNode.Curl, sent.Fragment(0, 1000));
        byte[][] wanted = [.. ((TestPacket[])[left.Fragment(2000, 8000), left.Fragment(1000, 1000)]).Select(p => s.Node.Leaving(TestNode.Uplink, p, m.EastWorker))];
        Scenario.Same(first, [], TestNode.Uplink, s.Node.Leaving(TestNode.Uplink, left.Fragment(0, 1000), m.EastWorker));
        Assert.Equal(wanted.Select(Convert.ToHexString), first.Outbox.Select(f => Convert.ToHexString(f.Frame)));
        Assert.Equal(1, s.Node.AllLive.Sum(l => l.Fragments.Hold!.WaitingCount));
        Assert.Equal(3, s.Node.AllLive.Sum(l => (long)l.Fragments.Hold!.HeldCount));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void They_wait_a_second_and_are_dropped_and_counted(Family family)
    {
        Scenario s = Holding(family);
        TestPacket sent = TestPacket.Udp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 53) with { Payload = s_payload };
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Curl, sent.Fragment(1000, 1000)).Verdict);
        s.Node.Wait(0.999);
        s.Node.Tick();
        Assert.Equal(0ul, s.Node.DropPackets(DropReason.FirstFragmentMissing));
        s.Node.Wait(0.001);
        s.Node.Tick();
        Assert.Equal(1ul, s.Node.DropPackets(DropReason.FirstFragmentMissing));
        Assert.Empty(s.Node.Send(TestNode.Curl, sent.Fragment(0, 1000)).Outbox);
    }

    /// <summary>A pod's flood gives way, one by one and counted, to the fragments of another, which go on when their first comes. Each worker has places of its own.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_flood_of_one_pod_leaves_room_for_another(Family family)
    {
        Scenario s = Holding(family, workerCount: 1);
        Mesh m = s.Mesh;
        TestPacket flood = TestPacket.Udp(m.CurlPod, 1024, m.Webpod1, 53) with { Payload = s_payload };
        for (int i = 0; i < 2 * FragmentHold.SlotCount; i++)
        {
            s.Node.Send(TestNode.Curl, (flood with { Id = (ushort)(i / 40) }).Fragment(1000, 1000));
        }

        FragmentHold hold = s.Node.Live.Fragments.Hold!;
        Assert.Equal(FragmentHold.SlotCount, hold.WaitingCount);
        ulong dropped = s.Node.DropPackets(DropReason.FirstFragmentMissing);
        Assert.Equal((ulong)FragmentHold.SlotCount, dropped);
        TestPacket sent = TestPacket.Udp(m.EastPod, 1024, m.Webpod1, 53) with { Payload = s_payload, Id = 500 };
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Uplink, sent.Fragment(2000, 1000)).Verdict);
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Uplink, sent.Fragment(1000, 1000)).Verdict);
        Assert.Equal(FragmentHold.SlotCount, hold.WaitingCount);
        Assert.Equal(dropped + 2, s.Node.DropPackets(DropReason.FirstFragmentMissing));
        Assert.Equal(2, s.Node.Send(TestNode.Uplink, sent.Fragment(0, 1000)).Outbox.Count);
        Assert.Equal(FragmentHold.SlotCount - 2, hold.WaitingCount);
    }

    /// <summary>Who sends later fragments only fills what there is and is dropped then; those of one datagram leave room for others.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_flood_finds_the_hold_full(Family family)
    {
        Scenario s = Holding(family);
        TestPacket sent = TestPacket.Udp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 53) with { Payload = s_payload };
        int held = 0;
        for (int id = 0; id < 20; id++)
        {
            for (int i = 0; i < 60; i++)
            {
                held += s.Node.Send(TestNode.Curl, (sent with { Id = (ushort)id }).Fragment(1000, 1000)).Verdict == Verdict.Held ? 1 : 0;
                Assert.True(id > 0 || held <= FragmentHold.PerDatagramCount);
            }
        }

        Assert.Equal(FragmentHold.SlotCount, held);
        s.Drops(TestNode.Curl, (sent with { Id = 99 }).Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Node.Wait(1);
        s.Node.Tick();
        Assert.Equal(Verdict.Held, s.Node.Send(TestNode.Curl, (sent with { Id = 99 }).Fragment(1000, 1000)).Verdict);
    }

    /// <summary>Ping of death, teardrop and tiny fragments: what cannot be part of a datagram, or would overwrite what was looked at.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Malicious_fragments_are_dropped(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket tcp = TestPacket.Tcp(m.CurlPod, 1024, m.Webpod1, 80) with { Payload = s_payload };
        TestPacket udp = TestPacket.Udp(m.CurlPod, 1024, m.Webpod1, 80) with { Payload = s_payload };
        s.Sends(TestNode.Curl, tcp.Fragment(0, 1000));
        s.Sends(TestNode.Curl, udp.Fragment(0, 1000));
        TestPacket[] malicious =
        [
            tcp.Fragment(0, 16) with { Id = 7 }, // the header is cut before its flags
            tcp.Fragment(8, 1000), // over the flags of the first
            tcp.Fragment(16, 1000),
            udp.Fragment(1000, 1001), // more follows, and not at a multiple of eight
            udp with { RawTransport = new byte[1000], FragmentOffset = 65_528 - 8 }, // ends behind the longest datagram
            udp with { RawTransport = [], FragmentOffset = 1000 },
        ];
        foreach (TestPacket packet in malicious)
        {
            s.Drops(TestNode.Curl, packet, DropReason.InvalidPacket);
        }

        s.Sends(TestNode.Curl, tcp.Fragment(24, 1000));
        s.Sends(TestNode.Curl, udp.Fragment(8, 1000));
        s.Sends(TestNode.Curl, udp with { RawTransport = new byte[7], FragmentOffset = 65_528 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Fragments_are_counted(Family family)
    {
        var s = new Scenario(family);
        TestPacket sent = TestPacket.Udp(s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 53) with { Payload = s_payload };
        s.Drops(TestNode.Curl, sent.Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Sends(TestNode.Curl, sent.Fragment(0, 1000));
        s.Sends(TestNode.Curl, sent.Fragment(1000, 1000));
        s.Sends(TestNode.Curl, sent.Fragment(2000, 8000));
        FragmentTable fragments = s.Node.Live.Fragments;
        Assert.Equal((1ul, 2ul, 1ul, 0ul), (fragments.FirstCount, fragments.FollowedCount, fragments.MissedCount, fragments.EvictedCount));

        // As many first ones as there is room for, and more.
        for (int id = 0; id < 20_000; id++)
        {
            s.Sends(TestNode.Curl, (sent with { Id = (ushort)id }).Fragment(0, 1000));
        }

        Assert.InRange(fragments.EvictedCount, 20_000ul - 8192, 20_000ul);
    }

    /// <summary>A flood of one source pushes out its own; two datagrams of everybody else go on.</summary>
    [Theory]
    [InlineData("10.0.0.", "203.0.113.9")]
    [InlineData("fd00:10::", "fd00:203:0:113::9")]
    public void A_flood_of_first_fragments_pushes_out_its_own(string others, string flooder)
    {
        var table = new FragmentTable(8192, seed: 3);
        IpAddress server = IpAddress.Parse(flooder.Contains(':') ? "fd00:172:18::5" : "172.18.0.5");
        FlowKey[] keys = [.. Enumerable.Range(1, 200).Select(i => new FlowKey(Client(others, i), server, 1024, 53, IpProtocol.Udp))];
        var flood = new FlowKey(IpAddress.Parse(flooder), server, 1024, 53, IpProtocol.Udp);
        MonoTime now = MonoTime.FromSeconds(1000);
        for (uint id = 0; id < 50_000; id++)
        {
            table.Remember(flood, id, now);
        }

        foreach (FlowKey key in keys)
        {
            table.Remember(key, 7, now);
        }

        for (uint id = 50_000; id < 100_000; id++)
        {
            table.Remember(flood, id, now);
        }

        Assert.All(keys, key => Assert.True(table.TryGetPorts(key with { SourcePort = 0, DestinationPort = 0 }, 7, now, out FlowKey first) && first == key, $"{key} was pushed out"));
        Assert.InRange(table.EvictedCount, 90_000ul, 100_000ul);
    }

    private static IpAddress Client(string prefix, int number) => IpAddress.Parse(prefix.Contains(':') ? $"fd00:10:0:{number:x}::1" : $"{prefix}{number}");

    private static Scenario Holding(Family family, int? workerCount = null) =>
        new(family, new TestNode(local: l => l with { Flows = new FlowOptions { Fragments = FragmentMode.Hold } }, workerCount: workerCount));

    /// <summary>RFC 6946: a fragment header around a whole datagram makes no fragment.</summary>
    [Fact]
    public void An_atomic_fragment_is_a_whole_packet()
    {
        var s = new Scenario(Family.Ipv6);
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, 40000, s.Mesh.Outside, 53) with { Extensions = [(44, [0, 0, 0, 0, 1, 2, 3, 4])] };
        s.Forwards(TestNode.Curl, packet, s.Mesh.Gateway, packet.Hopped() with { Source = s.Mesh.Node });
    }
}
