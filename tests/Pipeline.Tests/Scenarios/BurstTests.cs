using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Frames that come together meet what they would meet one by one, and leave in their order.</summary>
public sealed class BurstTests
{

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_frames_of_a_burst_are_those_that_come_one_by_one(Family family)
    {
        var m = new Mesh(family);
        TestPacket request = TestPacket.Tcp(m.CurlPod, 40000, m.ClusterIp, 80, TcpFlags.Syn);
        (string Port, TestPacket Packet)[] sent =
        [
            (TestNode.Curl, request),
            (TestNode.Web1, TestPacket.Tcp(m.Webpod1, 80, m.CurlPod, 40000, TcpFlags.Syn | TcpFlags.Ack)),
            (TestNode.Curl, TestPacket.Udp(m.Webpod1, 1, m.Outside, 53)),
            (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1, m.Outside, 53)),
            (TestNode.Curl, request with { Flags = TcpFlags.Ack }),
        ];
        var alone = new TestNode();
        var together = new TestNode();
        Burst burst = BurstOf(together, sent);
        Assert.Equal(sent.Length, new PacketPipeline(together.Live).ProcessBurst(burst, 0, together.State.Current, together.Now));
        for (int i = 0; i < sent.Length; i++)
        {
            Delivery wanted = alone.Send(sent[i].Port, sent[i].Packet);
            BurstFrame got = burst.Frames[i];
            Assert.Equal((wanted.Verdict, wanted.Reason, wanted.Detail), (got.Verdict, got.Reason, got.ReasonDetail));
            if (got.Verdict == Verdict.Transmit)
            {
                Assert.Equal(wanted.Port, together.NameOf(got.EgressPort));
                Assert.Equal("", FrameText.Difference(burst.BufferOf(got.Buffer).Slice(got.Start, got.Length).ToArray(), wanted.Frame));
            }
        }

        Assert.Equal(alone.Live.Counters.DroppedPackets, together.Live.Counters.DroppedPackets);
        Assert.Equal((ulong)sent.Length - 1, together.Live.Counters.RxPackets(together.State.Ports[TestNode.Curl].Id));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void It_stops_behind_a_frame_after_which_others_wait_to_leave(Family family)
    {
        var m = new Mesh(family);
        var node = new TestNode();
        TestPacket toStranger = TestPacket.Udp(m.Node, 1, m.At("172.18.0.200"), 53);
        Burst burst = BurstOf(node, (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1, m.Outside, 53)), (TestNode.Host, toStranger), (TestNode.Host, toStranger));
        var pipeline = new PacketPipeline(node.Live);
        Assert.Equal(2, pipeline.ProcessBurst(burst, 0, node.State.Current, node.Now));
        Assert.True(node.Live.Outbox.TryTake(out _, out _));
        Assert.Equal(3, pipeline.ProcessBurst(burst, 2, node.State.Current, node.Now));
        Assert.Equal(2, node.Live.Outbox.HeldCount);
    }

    private static Burst BurstOf(TestNode node, params (string Port, TestPacket Packet)[] packets)
    {
        var burst = new Burst(new ArrayFrames(packets.Length));
        for (int i = 0; i < packets.Length; i++)
        {
            byte[] frame = node.Arriving(packets[i].Port, packets[i].Packet);
            frame.CopyTo(burst.BufferOf(i)[PacketContext.Headroom..]);
            burst.Add(new BurstFrame { Buffer = i, Start = PacketContext.Headroom, Length = frame.Length, IngressPort = node.State.Ports[packets[i].Port].Id });
        }

        return burst;
    }
}
