using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>The frames that a program of <see cref="PipelineTarget"/> names by number: every kind that scenarios know, and tunnelled ones.</summary>
internal static class PipelineSeeds
{
    public static SeedFrame[] All(TestNode node) => [.. SeedFrame.All(node), .. Enum.GetValues<Family>().SelectMany(outer => Enum.GetValues<Family>().SelectMany(inner => Arriving(outer, new TestMesh(inner))))];

    /// <summary>A pod's packet as the other cluster's node sends it.</summary>
    public static byte[] Tunnelled(Family outer, TestMesh inner, Func<TestMesh, TestPacket> packet)
    {
        var underlay = new TestMesh(outer);
        byte[] frame = packet(inner).Frame(TunnelFrames.MacOf(underlay.EastWorker), TunnelFrames.MacOf(underlay.Node));
        return TunnelFrames.Around(frame, underlay.EastWorker, underlay.Node, NumericIdentity.Init).Frame(TestNode.MacOf(underlay.EastWorker), TestNode.UplinkMac);
    }

    private static IEnumerable<SeedFrame> Arriving(Family outer, TestMesh inner)
    {
        Func<TestMesh, TestPacket>[] packets =
        [
            m => TestPacket.Tcp(m.EastPod, 80, m.CurlPod, 40000), m => TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000), m => TestPacket.EchoRequest(m.EastPod, m.CurlPod, 7),
            m => TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000) with { Payload = new byte[1400] },
            m => TestPacket.Error(m.EastWorker, IcmpTrouble.TooBig, TestPacket.Udp(m.CurlPod, 40000, m.EastPod, 53)),
            m => (TestPacket.Udp(m.EastPod, 1024, m.CurlPod, 80) with { Payload = new byte[300] }).Fragment(0, 160),
        ];
        return packets.Select(p => new SeedFrame(TestNode.Uplink, Tunnelled(outer, inner, p), default));
    }
}
