using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Pods of other nodes through VXLAN, inner and outer headers of both families: what leaves, what comes, translations, lengths.</summary>
public sealed class TunnelTests
{
    private const int Client = 40000;

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_flow_between_pods_keeps_both_addresses_and_one_outer_port(Family inner, Family outer)
    {
        foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp])
        {
            var s = new TunnelScenario(inner, outer);
            Mesh m = s.Mesh;
            TestPacket request = TestPacket.Of(protocol, m.CurlPod, Client, m.EastPod, 80);
            TestPacket reply = TestPacket.Of(protocol, m.EastPod, 80, m.CurlPod, Client);
            var ports = new HashSet<int>();
            for (int i = 0; i < 4; i++)
            {
                ports.Add(s.Wraps(TestNode.Curl, request, s.Underlay.EastWorker, request.Hopped()));
                s.Unwraps(reply, TestNode.Curl, reply.Hopped());
            }

            Assert.Single(ports);
            Assert.True(!TestNode.HasShortcut || s.Node.AllLive.Any(live => live.Shortcuts.TakenCount > 0), "established flows should take the shortcut");
            for (int port = 1; port < 20; port++)
            {
                TestPacket other = request with { SourcePort = (ushort)port };
                ports.Add(s.Wraps(TestNode.Curl, other, s.Underlay.EastWorker, other.Hopped()));
            }

            Assert.True(ports.Count > 10, "flows should differ by the outer port");
        }
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void The_VNI_is_the_senders_identity(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Ipcache = [new IpcacheSpec(IpPrefix.Host(m.CurlPod), 65536 + 77, default, 0, IpcacheFlags.None, "west", "kvstore", "test")] });
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.EastPod, 80);
        TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.CurlPod, Client);
        for (int i = 0; i < 3; i++)
        {
            s.Wraps(TestNode.Curl, request, s.Underlay.EastWorker, request.Hopped(), 65536 + 77);
            s.Unwraps(reply, TestNode.Curl, reply.Hopped(), vni: (2 * 65536) + 3);
        }

        TestPacket fromHost = TestPacket.Tcp(m.Router, Client, m.EastPod, 80);
        s.Wraps(TestNode.Host, fromHost, s.Underlay.EastWorker, fromHost, NumericIdentity.RemoteNode);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Echoes_errors_and_packets_to_the_host_pass(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        TestPacket echo = TestPacket.EchoRequest(m.CurlPod, m.EastPod, 7);
        s.Wraps(TestNode.Curl, echo, s.Underlay.EastWorker, echo.Hopped());
        TestPacket answer = TestPacket.EchoReply(m.EastPod, m.CurlPod, 7);
        s.Unwraps(answer, TestNode.Curl, answer.Hopped());
        TestPacket error = TestPacket.Error(m.EastWorker, IcmpTrouble.TimeExceeded, echo.Hopped());
        s.Unwraps(error, TestNode.Curl, error.Hopped(), vni: NumericIdentity.RemoteNode);
        TestPacket toHost = TestPacket.EchoRequest(m.EastPod, m.Router, 9);
        s.Unwraps(toHost, TestNode.Host, toHost);
        TestPacket overGateway = TestPacket.EchoRequest(m.CurlPod, m.At("10.1.9.7"), 8);
        s.Wraps(TestNode.Curl, overGateway, s.Underlay.At("172.19.0.9"), overGateway.Hopped());
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Pods_of_the_mesh_are_never_masqueraded_and_the_world_is(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Masquerade = TestNode.MasqueradeOf() });
        TestPacket toPod = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 53);
        s.Wraps(TestNode.Curl, toPod, s.Underlay.EastWorker, toPod.Hopped());
        var plain = new Scenario(inner, s.Node);
        TestPacket toWorld = TestPacket.Udp(m.CurlPod, Client, m.Outside, 53);
        plain.Forwards(TestNode.Curl, toWorld, m.Gateway, toWorld.Hopped() with { Source = m.Node });
        TestPacket toNode = TestPacket.Udp(m.CurlPod, Client, m.EastWorker, 53);
        plain.Forwards(TestNode.Curl, toNode, m.EastWorker, toNode.Hopped() with { Source = m.Node });
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_service_is_translated_before_the_tunnel_and_back_behind_it(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
        TestPacket request = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80);
        TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.CurlPod, Client);
        for (int i = 0; i < 3; i++)
        {
            s.Wraps(TestNode.Curl, request, s.Underlay.EastWorker, request.Hopped() with { Destination = m.EastPod });
            s.Unwraps(reply, TestNode.Curl, reply.Hopped() with { Source = m.ClusterIp });
        }
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_NodePorts_flow_goes_under_the_routers_address_and_comes_back_by_the_tunnel(Family inner, Family outer)
    {
        foreach (int workers in (int[])[1, 3])
        {
            var s = new TunnelScenario(inner, outer, workerCount: Math.Max(workers, TestNode.WorkerCount));
            Mesh m = s.Mesh;
            s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.EastPod)] });
            TestPacket request = TestPacket.Tcp(m.Outside, Client, m.Node, 30080);
            TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.Router, Client);
            for (int i = 0; i < 3; i++)
            {
                byte[] sent = s.Node.Arriving(TestNode.Uplink, request);
                Delivery got = s.Node.Send(TestNode.Uplink, sent);
                Assert.Equal(Verdict.Transmit, got.Verdict);
                byte[] wrapped = TunnelFrames.Inside(got.Frame);
                ushort port = (ushort)TunnelScenario.SourcePortOf(wrapped);
                s.IsWrapped(got, sent, s.Underlay.EastWorker, request.Hopped() with { Source = m.Router, SourcePort = port, Destination = m.EastPod, DestinationPort = 80 }, World(inner));
                byte[] back = s.Arriving(reply with { DestinationPort = port });
                Scenario.Same(
                    s.Node.Send(TestNode.Uplink, back), back, TestNode.Uplink,
                    s.Node.Leaving(TestNode.Uplink, reply.Hopped() with { Source = m.Node, SourcePort = 30080, Destination = m.Outside, DestinationPort = Client }, m.Gateway));
            }
        }
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void The_longest_packet_is_the_MTU_less_the_outer_headers(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        int headers = m.IsIpv4 ? 28 : 48;
        TestPacket fits = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 53) with { IsDontFragment = true, Payload = new byte[s.Mtu - headers] };
        s.Wraps(TestNode.Curl, fits, s.Underlay.EastWorker, fits.Hopped());
        TestPacket tooLong = fits with { Payload = new byte[s.Mtu - headers + 1] };
        var plain = new Scenario(inner, s.Node);
        int quoted = m.IsIpv4 ? 576 - 28 : 1280 - 48;
        plain.Refuses(TestNode.Curl, tooLong, DropReason.FragmentationNeeded, TestPacket.Error(m.Router, IcmpTrouble.TooBig, tooLong, quoted, s.Mtu) with { Id = 0, TrafficClass = 0xC0, HopLimit = 64 });
    }

    [Theory]
    [InlineData(Family.Ipv4)]
    [InlineData(Family.Ipv6)]
    public void A_long_packet_that_may_be_fragmented_leaves_in_wrapped_pieces(Family outer)
    {
        var s = new TunnelScenario(Family.Ipv4, outer);
        Mesh m = s.Mesh;
        TestPacket whole = TestPacket.Udp(m.CurlPod, Client, m.EastPod, 53) with { Payload = new byte[3000] };
        Delivery got = s.Node.Send(TestNode.Curl, whole);
        List<byte[]> pieces = Offload.Cut(got.Frame, got.Offload);
        int payload = 0;
        foreach (byte[] piece in pieces)
        {
            Assert.True(piece.Length <= 1514);
            payload += BothValid(piece).Length - 34;
        }

        Assert.Equal(3, pieces.Count);
        Assert.Equal(3008, payload);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_super_packet_stays_whole_and_can_be_cut_behind_the_tunnel(Family inner, Family outer)
    {
        foreach (bool isEstablished in (bool[])[false, true])
        {
            var s = new TunnelScenario(inner, outer);
            Mesh m = s.Mesh;
            byte[] payload = new byte[20_000];
            new Random(5).NextBytes(payload);
            TestPacket bulk = TestPacket.Tcp(m.CurlPod, Client, m.EastPod, 80) with { Payload = payload, IsDontFragment = true };
            if (isEstablished)
            {
                TestPacket reply = TestPacket.Tcp(m.EastPod, 80, m.CurlPod, Client);
                s.Wraps(TestNode.Curl, bulk with { Payload = [] }, s.Underlay.EastWorker, bulk.Hopped() with { Payload = [] });
                s.Unwraps(reply, TestNode.Curl, reply.Hopped());
                s.Wraps(TestNode.Curl, bulk with { Payload = [] }, s.Underlay.EastWorker, bulk.Hopped() with { Payload = [] });
            }

            byte[] frame = s.Node.Arriving(TestNode.Curl, bulk);
            VirtioNetHeader offload = Offload.MakePartial(frame, m.IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6, 1300, 54);
            Delivery got = s.Node.Send(TestNode.Curl, frame, offload);
            Assert.Equal(Verdict.Transmit, got.Verdict);
            Assert.True(got.Offload.IsTunnelled && got.Offload.SegmentLength == 1300);
            byte[][] inside = [.. Offload.Cut(got.Frame, got.Offload).Select(BothValid)];
            byte[][] wanted = [.. Offload.Cut(TunnelFrames.Inside(got.Frame), got.Offload.Inner(TunnelFrames.OuterLength(got.Frame)))];
            Assert.Equal(16, wanted.Length);
            Assert.Equal(wanted, inside);
            Assert.Equal(payload, inside.SelectMany(f => f[(m.IsIpv4 ? 54 : 74)..]));

            // The other end gets it whole, too, or in pieces that it can join.
            var east = new TunnelScenario(inner, outer);
            TestPacket back = TestPacket.Tcp(m.EastPod, 80, m.CurlPod, Client) with { Payload = payload, IsDontFragment = true };
            byte[] whole = back.Frame(TunnelFrames.MacOf(s.Underlay.EastWorker), TunnelFrames.MacOf(s.Underlay.Node));
            VirtioNetHeader partial = Offload.MakePartial(whole, m.IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6, 1300, 54);
            byte[] arriving = east.Arriving(whole, s.Underlay.EastWorker);
            Delivery arrived = east.Node.Send(TestNode.Uplink, arriving, partial.Tunnelled(TunnelFrames.OuterLength(arriving), s.Underlay.IsIpv4));
            Assert.Equal((Verdict.Transmit, TestNode.Curl), (arrived.Verdict, arrived.Port));
            Assert.Equal(partial, arrived.Offload);
            byte[] completed = Offload.Complete(arrived.Frame, arrived.Offload);
            Assert.Equal(string.Empty, FrameText.Difference(completed, east.Node.Leaving(TestNode.Curl, back.Hopped(), default)));
        }
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void An_outer_checksum_covers_complete_and_partial_packets(Family inner, Family outer)
    {
        foreach (bool isPartial in (bool[])[false, true])
        {
            var s = new TunnelScenario(inner, outer, hasChecksum: true);
            TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, Client, s.Mesh.EastPod, 53) with { Payload = [1, 2, 3, 4, 5] };
            byte[] frame = s.Node.Arriving(TestNode.Curl, packet);
            VirtioNetHeader offload = isPartial ? Offload.MakePartial(frame) : default;
            s.Wraps(TestNode.Curl, frame, s.Underlay.EastWorker, packet.Hopped(), offload: offload);
            TestPacket reply = TestPacket.Udp(s.Mesh.EastPod, 53, s.Mesh.CurlPod, Client);
            s.Unwraps(reply, TestNode.Curl, reply.Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Congestion_is_told_through_the_tunnel(Family inner, Family outer)
    {
        // RFC 6040 section 4.2, figure 4: rows the inner mark, columns the outer; -1 is to be dropped.
        int[][] figure = [[0, 0, 0, -1], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]];
        var s = new TunnelScenario(inner, outer);
        for (int innerMark = 0; innerMark < 4; innerMark++)
        {
            TestPacket outgoing = TestPacket.Udp(s.Mesh.CurlPod, Client, s.Mesh.EastPod, 53) with { TrafficClass = (byte)(0xB8 | innerMark) };
            Delivery left = s.Node.Send(TestNode.Curl, outgoing);
            Assert.Equal(innerMark, left.Frame[12] == 0x08 ? left.Frame[15] : (left.Frame[15] >> 4) | (left.Frame[14] << 4 & 0xF0));
            for (int outerMark = 0; outerMark < 4; outerMark++)
            {
                TestPacket packet = TestPacket.Udp(s.Mesh.EastPod, 53, s.Mesh.CurlPod, Client) with { TrafficClass = (byte)(0xB8 | innerMark) };
                byte[] arriving = s.Arriving(packet, change: p => p with { TrafficClass = (byte)outerMark });
                if (figure[innerMark][outerMark] < 0)
                {
                    s.Drops(TestNode.Uplink, arriving, DropReason.InvalidPacket);
                    continue;
                }

                TestPacket wanted = packet.Hopped() with { TrafficClass = (byte)(0xB8 | figure[innerMark][outerMark]) };
                Scenario.Same(s.Node.Send(TestNode.Uplink, arriving), arriving, TestNode.Curl, s.Node.Leaving(TestNode.Curl, wanted, default));
            }
        }
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_router_behind_the_tunnel_answers_by_the_tunnel(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        TestPacket last = TestPacket.Udp(m.EastPod, 33434, m.CurlPod, 33434) with { HopLimit = 1 };
        Delivery got = s.Node.Send(TestNode.Uplink, s.Arriving(last));
        Assert.Equal((Verdict.Drop, DropReason.HopLimitExceeded), (got.Verdict, got.Reason));
        OutboxFrame answer = Assert.Single(got.Outbox);
        TestPacket error = TestPacket.Error(m.Node, IcmpTrouble.TimeExceeded, last, 1200) with { Id = 0, TrafficClass = 0xC0 };
        s.IsWrapped(got with { Verdict = Verdict.Transmit, Port = answer.Port, Frame = answer.Frame, Offload = answer.Offload }, [], s.Underlay.EastWorker, error, NumericIdentity.RemoteNode);
    }

    /// <summary>Found by the fuzz test: a checksum asked for behind the frame's end, and one inside its headers.</summary>
    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_checksum_where_none_can_be_does_no_harm(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer, hasChecksum: true);
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, Client, s.Mesh.EastPod, 53);
        foreach ((int start, int offset) in ((int, int)[])[(8367, 55568), (65530, 6), (7, 6), (0, 0)])
        {
            var offload = new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, (ushort)start, (ushort)offset);
            Delivery got = s.Node.Send(TestNode.Curl, s.Node.Arriving(TestNode.Curl, packet), offload);
            Assert.True(got is { Verdict: Verdict.Transmit, Offload.HasPartialChecksum: true }, got.ToString());
        }

        TestPacket last = TestPacket.Udp(s.Mesh.EastPod, 53, s.Mesh.CurlPod, Client) with { HopLimit = 1 };
        byte[] arriving = s.Arriving(last);
        int outerLength = TunnelFrames.OuterLength(arriving);
        var inHeaders = new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, (ushort)(outerLength + 7), 6);
        Delivery dropped = s.Node.Send(TestNode.Uplink, arriving, inHeaders);
        Assert.Equal((Verdict.Drop, DropReason.HopLimitExceeded, 0), (dropped.Verdict, dropped.Reason, dropped.Outbox.Count));
    }

    private static uint World(Family inner) => inner == Family.Ipv4 ? NumericIdentity.WorldIpv4 : NumericIdentity.WorldIpv6;

    /// <summary>The inner frame, after its and the outer checksums were found right.</summary>
    private static byte[] BothValid(byte[] frame)
    {
        FrameCheck outer = FrameCheck.Of(frame);
        Assert.True(outer.HasValidHeader && outer.Protocol == 17 && outer.Transport == (frame[12] == 0x08 ? ChecksumState.Omitted : ChecksumState.Valid), FrameText.Line(frame));
        byte[] inner = TunnelFrames.Inside(frame);
        FrameCheck check = FrameCheck.Of(inner);
        Assert.True(check.HasValidHeader && check.Transport is ChecksumState.Valid or ChecksumState.NotThere, FrameText.Line(inner));
        return inner;
    }
}
