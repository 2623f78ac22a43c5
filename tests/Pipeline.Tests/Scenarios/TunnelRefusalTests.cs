using System.Buffers.Binary;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>What must not pass a tunnel: forged, looped, cut off, of another's identity, or from nobody known. Each has its reason.</summary>
public sealed class TunnelRefusalTests
{
    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void A_node_speaks_for_its_own_pods_and_addresses_only(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        foreach (IpAddress source in (IpAddress[])[m.WestPod, m.Webpod1, m.CurlPod, m.At("10.0.1.77"), m.Router, m.ControlPlane, m.Node, m.Outside])
        {
            s.Drops(TestNode.Uplink, s.Arriving(TestPacket.Udp(source, 53, m.CurlPod, 40000)), DropReason.InvalidSource);
        }

        TestPacket fromNode = TestPacket.Udp(m.EastWorker, 53, m.CurlPod, 40000);
        s.Unwraps(fromNode, TestNode.Curl, fromNode.Hopped(), vni: NumericIdentity.RemoteNode);
        TestPacket fromWorld = TestPacket.Udp(m.Outside, 53, m.CurlPod, 40000);
        s.Unwraps(fromWorld, TestNode.Curl, fromWorld.Hopped(), vni: NumericIdentity.World);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void An_established_flow_is_not_taken_from_another_node_nor_from_outside(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        TestPacket request = TestPacket.Udp(m.CurlPod, 40000, m.EastPod, 53);
        TestPacket reply = TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000);
        for (int i = 0; i < 3; i++)
        {
            s.Wraps(TestNode.Curl, request, s.Underlay.EastWorker, request.Hopped());
            s.Unwraps(reply, TestNode.Curl, reply.Hopped());
        }

        s.Drops(TestNode.Uplink, s.Arriving(reply, s.Underlay.ControlPlane), DropReason.InvalidSource);
        s.Drops(TestNode.Uplink, s.Arriving(reply, s.Underlay.Neighbor), DropReason.UnknownSender);
        s.Unwraps(reply, TestNode.Curl, reply.Hopped());
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void What_came_by_a_tunnel_does_not_leave_by_one(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        s.Drops(TestNode.Uplink, s.Arriving(TestPacket.Udp(m.EastPod, 53, m.WestPod, 40000)), DropReason.TunnelLoop);
        s.Drops(TestNode.Uplink, s.Arriving(TestPacket.Udp(m.EastPod, 53, m.At("10.1.1.7"), 40000)), DropReason.TunnelLoop);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Identities_are_those_that_the_sender_can_mean(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        TestPacket packet = TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000);
        foreach (uint foreign in (uint[])[0, 1, 256, 65536, 65536 + 5, (3 * 65536) - 65536 * 2 + 9, 3 * 65536, 0xFF_FFFF])
        {
            s.Drops(TestNode.Uplink, s.Arriving(packet, vni: foreign), DropReason.InvalidIdentity);
        }

        foreach (uint own in (uint[])[2 * 65536, (3 * 65536) - 1, NumericIdentity.Health])
        {
            s.Unwraps(packet, TestNode.Curl, packet.Hopped(), vni: own);
        }
    }

    /// <summary>16 bits of a VNI are the sender's own in a mesh of 255 clusters, 15 in one of 511: the last identity of the last cluster fills all 24.</summary>
    [Theory]
    [InlineData(255, 1, 0x01_0000, 0x01_FFFF)]
    [InlineData(255, 255, 0xFF_0000, 0xFF_FFFF)]
    [InlineData(511, 1, 0x00_8000, 0x00_FFFF)]
    [InlineData(511, 255, 0x7F_8000, 0x7F_FFFF)]
    [InlineData(511, 256, 0x80_0000, 0x80_7FFF)]
    [InlineData(511, 511, 0xFF_8000, 0xFF_FFFF)]
    public void A_cluster_has_the_identities_that_the_size_of_the_mesh_gives_it(int clusters, int id, uint first, uint last)
    {
        var s = new TunnelScenario(Family.Ipv4, Family.Ipv4, local: l => l with { MaxConnectedClusters = clusters });
        Mesh m = s.Mesh;
        s.Node.Apply(new()
        {
            Nodes = [new NodeSpec("east-worker", "east", [m.EastWorker], [m.Prefix("10.1.1.0/24")], "test") { ClusterId = id }],
            Ipcache = [new IpcacheSpec(IpPrefix.Host(m.CurlPod), last, default, 0, IpcacheFlags.None, "west", "kvstore", "test")],
        });
        TestPacket packet = TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000);
        foreach (uint own in (uint[])[first, (first + last) / 2, last, NumericIdentity.Health, NumericIdentity.RemoteNode])
        {
            s.Unwraps(packet, TestNode.Curl, packet.Hopped(), vni: own);
        }

        foreach (uint foreign in ((uint[])[first - 1, last + 1, first ^ 0x80_0000, 256]).Where(v => v is >= 256 and <= 0xFF_FFFF))
        {
            s.Drops(TestNode.Uplink, s.Arriving(packet, vni: foreign), DropReason.InvalidIdentity);
        }

        // Ours as the other end reads it: whole, whatever its size.
        TestPacket sent = TestPacket.Udp(m.CurlPod, 40000, m.EastPod, 53);
        s.Wraps(TestNode.Curl, sent, s.Underlay.EastWorker, sent.Hopped(), vni: last);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Damaged_headers_have_one_reason(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        IpAddress east = s.Underlay.EastWorker;
        TestPacket packet = TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000);
        byte[] frame = packet.Frame(TunnelFrames.MacOf(east), TunnelFrames.MacOf(s.Underlay.Node));
        foreach (int length in (int[])[0, 1, 7, 8, 20, 8 + 33])
        {
            byte[] payload = [.. TunnelFrames.Header(TunnelScenario.Vni), .. frame];
            s.Drops(TestNode.Uplink, s.Arriving(frame, east, change: p => p with { Payload = payload[..length] }), DropReason.TunnelHeader);
        }

        s.Drops(TestNode.Uplink, s.Arriving(frame, east, change: p => p with { Payload = [.. TunnelFrames.Header(TunnelScenario.Vni, flags: 0), .. frame] }), DropReason.TunnelHeader);
        byte[] wrongLength = s.Arriving(frame, east);
        int udp = TunnelFrames.OuterLength(wrongLength) - 16;
        BinaryPrimitives.WriteUInt16BigEndian(wrongLength.AsSpan(udp + 4), 40);
        s.Drops(TestNode.Uplink, wrongLength, DropReason.TunnelHeader);
        byte[] wrongSum = s.Arriving(frame, east, change: p => p with { HasUdpChecksum = true });
        wrongSum[^1] ^= 1;
        s.Drops(TestNode.Uplink, wrongSum, DropReason.TunnelHeader);
        TestPacket whole = TunnelFrames.Around(packet.Frame(default, default), east, s.Underlay.Node, TunnelScenario.Vni);
        s.Drops(TestNode.Uplink, s.Node.Arriving(TestNode.Uplink, whole.Fragment(0, 64) with { IsDontFragment = false }), DropReason.FragmentsNotSupported);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Neighbours_are_not_found_through_a_tunnel(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer);
        Mesh m = s.Mesh;
        byte[] question = NeighborFrames.Request(m.EastPod, TunnelFrames.MacOf(s.Underlay.EastWorker), m.CurlPod);
        question[0] = 2; // to one station
        s.Drops(TestNode.Uplink, s.Arriving(question, s.Underlay.EastWorker), m.IsIpv4 ? DropReason.UnsupportedNetworkProtocol : DropReason.ForbiddenIcmpv6);
        byte[] toAll = TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000).Frame(TunnelFrames.MacOf(s.Underlay.EastWorker), MacAddress.Broadcast);
        s.Drops(TestNode.Uplink, s.Arriving(toAll, s.Underlay.EastWorker), DropReason.OtherStation);
    }

    [Theory]
    [MemberData(nameof(TunnelScenario.Families), MemberType = typeof(TunnelScenario))]
    public void Pods_may_not_make_tunnels_and_no_route_is_no_tunnel(Family inner, Family outer)
    {
        var s = new TunnelScenario(inner, outer, local: l => l with { Uplink = l.Uplink! with { Gateways = [] } });
        Mesh m = s.Mesh;
        foreach (IpAddress destination in (IpAddress[])[m.EastWorker, m.EastPod, m.Webpod1])
        {
            s.Drops(TestNode.Curl, s.Node.Arriving(TestNode.Curl, TestPacket.Udp(m.CurlPod, 40000, destination, TunnelFrames.Port)), DropReason.EncapsulationProhibited);
        }

        s.Drops(TestNode.Curl, s.Node.Arriving(TestNode.Curl, TestPacket.Udp(m.CurlPod, 40000, m.At("10.1.9.7"), 53)), DropReason.NoTunnelEndpoint);
    }
}
