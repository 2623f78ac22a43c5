using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>No packet costs a byte of the managed heap. Alone, so that no other thread's work is taken for this one's.</summary>
[Collection(nameof(AllocationTests))]
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public sealed class AllocationTests
{
    private const int PacketCount = 200_000;

    public static TheoryData<string, Family> Cases
    {
        get
        {
            var data = new TheoryData<string, Family>();
            foreach (string name in Packets(new Mesh(Family.Ipv4)).Keys)
            {
                data.Add(name, Family.Ipv4);
                data.Add(name, Family.Ipv6);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Nothing_is_allocated(string name, Family family)
    {
        var node = new TestNode(conntrackCapacity: 100_000, snatCapacity: 50_000);
        ServiceSpec sticky = TestNode.Service("sticky", IpProtocol.Udp, 53, 30053, 53, m => m.Webpod1, m => m.EastPod) with { AffinitySeconds = 1000 };
        ServiceSpec hashed = TestNode.Service("hashed", IpProtocol.Udp, 54, 30054, 54, [.. Enumerable.Range(1, 20).Select(i => (Func<Mesh, IpAddress>)(m => m.At($"10.1.1.{i}")))]);
        ServiceSpec guarded = TestNode.Balanced(m => m.Webpod2) with { Name = "guarded", Frontends = [.. TestNode.Balanced().Frontends.Where(f => f.Type == ServiceType.LoadBalancer)] };
        node.Apply(new()
        {
            Services =
            [
                TestNode.Webpod(m => m.Webpod1, m => m.EastPod),
                sticky,
                hashed with { Algorithm = LoadBalancingAlgorithm.Maglev },
                guarded with { SourceRanges = [new Mesh(family).Prefix("203.0.113.0/24")] },
            ],
        });
        (string port, TestPacket packet, bool isEachNew) = Packets(new Mesh(family))[name];
        byte[] frame = node.Arriving(port, packet);

        // The flow that the error is about; it is forgotten on the way, and both cases are met.
        node.Send(TestNode.Curl, TestPacket.Udp(new Mesh(family).CurlPod, 40000, new Mesh(family).Outside, 80));
        Run(node, port, frame, isEachNew);
        Assert.Equal(0, Run(node, port, frame, isEachNew));
    }

    private static Dictionary<string, (string Port, TestPacket Packet, bool IsEachNew)> Packets(Mesh m) => new()
    {
        ["pod to pod"] = (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.Webpod1, 80), false),
        ["pod to pod, new flows"] = (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.Webpod1, 80, TcpFlags.Syn), true),
        ["pod to service"] = (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.ClusterIp, 80), false),
        ["pod to service, new flows"] = (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.ClusterIp, 80, TcpFlags.Syn), true),
        ["session"] = (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.ClusterIp, 53), false),
        ["session, new flows"] = (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.ClusterIp, 53), true),
        ["Maglev, new flows"] = (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.ClusterIp, 54), true),
        ["source ranges"] = (TestNode.Uplink, TestPacket.Tcp(m.Outside, 1024, m.BalancerIp, 80), true),
        ["wildcard"] = (TestNode.Uplink, TestPacket.Tcp(m.Outside, 1024, m.BalancerIp, 81), false),
        ["NodePort, new flows"] = (TestNode.Uplink, TestPacket.Tcp(m.Outside, 1024, m.Node, 30080, TcpFlags.Syn), true),
        ["masquerade"] = (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53), false),
        ["masquerade, new flows"] = (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53), true),
        ["echo"] = (TestNode.Curl, TestPacket.EchoRequest(m.CurlPod, m.Outside, 3), false),
        ["ICMP error"] = (TestNode.Uplink, TestPacket.Error(m.RouterOnTheWay, IcmpTrouble.TooBig, TestPacket.Udp(m.Node, 40000, m.Outside, 80)), false),
        ["fragment"] = (TestNode.Curl, (TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53) with { Payload = new byte[2000] }).Fragment(0, 1000), false),
        ["expired, answered"] = (TestNode.Curl, TestPacket.Tcp(m.CurlPod, 1024, m.ClusterIp, 80) with { HopLimit = 1 }, false),
        ["too long"] = (TestNode.Curl, TestPacket.Udp(m.CurlPod, 1024, m.Outside, 53) with { Payload = new byte[2000] }, false),
        ["drop"] = (TestNode.Curl, TestPacket.Udp(m.Webpod1, 1024, m.Outside, 53), false),
        ["unknown neighbour"] = (TestNode.Host, TestPacket.Udp(m.Node, 1024, m.At("172.18.0.201"), 53), false),
    };

    /// <summary>Sends the frame, as one flow or as many, past a clock that goes on, with housekeeping.</summary>
    /// <returns>Bytes allocated by it.</returns>
    private static long Run(TestNode node, string port, byte[] frame, bool isEachNew)
    {
        byte[] buffer = new byte[PacketContext.BufferLength];
        int portId = node.State.Ports[port].Id;
        int transport = frame[14] >> 4 == 4 ? 34 : 54;
        var pipeline = new PacketPipeline(node.Live);
        var housekeeping = new Housekeeping(node.Live);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < PacketCount; i++)
        {
            if (isEachNew)
            {
                frame[transport] = (byte)(i >> 8);
                frame[transport + 1] = (byte)i;
            }

            frame.CopyTo(buffer.AsSpan(PacketContext.Headroom));
            var p = new PacketContext(buffer, PacketContext.Headroom, frame.Length, default, portId);
            Verdict verdict = pipeline.Process(ref p, node.State.Current, node.Now);
            node.Live.Counters.CountVerdict(p, verdict, frame.Length);
            while (node.Live.Outbox.TryTake(out _, out _))
            {
            }

            if (i % 100 == 0)
            {
                node.Now = node.Now.PlusSeconds(1);
                housekeeping.Run(node.State.Current, node.Now);
            }
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
