using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace.Tests;

/// <summary>A trace tells what the next packet meets, to the byte, and changes nothing.</summary>
public sealed class PredictionTests
{
    private const int StepCount = 1200;

    [Theory]
    [InlineData(1ul, 1)]
    [InlineData(2ul, 1)]
    [InlineData(3ul, 1)]
    [InlineData(4ul, 3)]
    [InlineData(5ul, 3)]
    public void What_a_trace_says_is_what_happens_to_the_packet(ulong seed, int workerCount)
    {
        TestNode node = NodeOf(seed, workerCount);
        var dice = new FlowRandom(seed * 7919);
        int dropped = 0;
        int left = 0;
        for (int step = 0; step < StepCount; step++)
        {
            if (dice.Below(20) == 0)
            {
                node.Wait(dice.Below(40));
            }

            (string port, TestPacket packet) = Packet(dice);
            byte[] frame = node.Arriving(port, packet);
            string before = step % 50 == 0 ? Traced.StateOf(node) : "";
            PacketTrace said = node.Trace(port, frame);
            Assert.Equal(before, step % 50 == 0 ? Traced.StateOf(node) : "");
            Delivery got = node.Send(port, frame);
            string where = $"seed {seed}, step {step}, {port}: {FrameText.Line(frame)}\nsaid: {said.Verdict} {said.Summary}\ngot: {got}";
            Assert.True(string.Equals(said.Verdict, got.Verdict.ToString(), StringComparison.OrdinalIgnoreCase), where);
            Assert.True(got.Verdict != Verdict.Drop || (said.ReasonNumber == (int)got.Reason && said.ReasonDetail == got.Detail), where);
            Assert.True(got.Verdict != Verdict.Transmit || (said.Out == got.Port && said.LeavingFrame == Convert.ToHexStringLower(got.Frame)), $"{where}\nframe: {said.LeavingFrame}\n   got: {Convert.ToHexStringLower(got.Frame)}");
            dropped += got.Verdict == Verdict.Drop ? 1 : 0;
            left += got.Verdict == Verdict.Transmit ? 1 : 0;
        }

        Assert.True(dropped > StepCount / 20 && left > StepCount / 4, $"{left} packets left and {dropped} were dropped: the history is one-sided");
    }

    private static TestNode NodeOf(ulong seed, int workerCount)
    {
        var node = new TestNode(seed, conntrackCapacity: 512, snatCapacity: 256, workerCount: workerCount);
        ServiceSpec webpod = TestNode.Balanced(m => m.Webpod1, m => m.Webpod2, m => m.EastPod);
        node.Apply(new DesiredChange
        {
            Services =
            [
                webpod,
                TestNode.Service("default/sticky", IpProtocol.Udp, 53, 30053, 5353, m => m.Webpod1, m => m.EastPod) with { AffinitySeconds = 60 },
                TestNode.Service("default/direct", IpProtocol.Tcp, 90, 30090, 90, m => m.EastPod, m => m.Webpod1) with { Forwarding = ForwardingMode.Dsr },
                TestNode.Service("default/none", IpProtocol.Tcp, 81, 30081, 80),
            ],
        });
        return node;
    }

    private static (string Port, TestPacket Packet) Packet(FlowRandom dice)
    {
        var mesh = new Mesh(dice.Below(4) == 0 ? Family.Ipv6 : Family.Ipv4);
        (string port, IpAddress source) = dice.Below(8) switch
        {
            0 or 1 or 2 => (TestNode.Curl, mesh.CurlPod),
            3 => (TestNode.Web1, mesh.Webpod1),
            4 => (TestNode.Host, mesh.Node),
            5 => (TestNode.Uplink, mesh.EastPod),
            6 => (TestNode.Uplink, mesh.Outside),
            _ => (TestNode.Web1, mesh.CurlPod), // Dishonest.
        };
        IpAddress[] destinations =
            [mesh.ClusterIp, mesh.ClusterIp, mesh.ClusterIp, mesh.Node, mesh.Webpod1, mesh.EastPod, mesh.Outside, mesh.CurlPod, mesh.At("10.0.1.99"), mesh.BalancerIp, mesh.Neighbor, mesh.At("172.18.0.200")];
        IpAddress destination = destinations[dice.Below((uint)destinations.Length)];
        int sourcePort = dice.Below(3) switch { 0 => 80, 1 => 5353, _ => 40000 + (int)dice.Below(6) };
        int[] ports = [80, 81, 53, 30080, 30053, 30090, 7, 40000 + (int)dice.Below(6), 32768 + (int)dice.Below(4)];
        int destinationPort = ports[dice.Below((uint)ports.Length)];
        TestPacket packet = dice.Below(6) switch
        {
            0 => TestPacket.EchoRequest(source, destination, 40000 + (int)dice.Below(4)),
            1 => TestPacket.EchoReply(source, destination, 40000 + (int)dice.Below(4)),
            2 => TestPacket.Udp(source, sourcePort, destination, destinationPort),
            _ => TestPacket.Tcp(source, sourcePort, destination, destinationPort, (TcpFlags)(dice.Below(4) switch { 0 => 0x02, 1 => 0x12, 2 => 0x11, _ => 0x10 })),
        };
        return (port, dice.Below(20) == 0 ? packet with { HopLimit = 1 } : packet);
    }
}
