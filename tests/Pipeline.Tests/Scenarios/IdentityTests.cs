using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Each flow's entry says who its client is, and what is told of the flow who its server is, too.</summary>
public sealed class IdentityTests
{
    private const uint Curl = 65_536 + 300;
    private const uint Web = 65_536 + 301;
    private const uint East = 131_072 + 300;
    private const int Client = 40001;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_a_pod_to_a_pod_of_another_cluster(Family family)
    {
        Scenario s = Known(family);
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.EastPod, 80));
        Assert.Equal((Curl, East), Of(s, s.Mesh.CurlPod, Client, s.Mesh.EastPod, 80));
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.EastPod, Client, s.Mesh.Webpod1, 80));
        Assert.Equal((East, Web), Of(s, s.Mesh.EastPod, Client, s.Mesh.Webpod1, 80));
    }

    /// <summary>Behind the frontend stands its backend.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_a_pod_to_a_service(Family family)
    {
        Scenario s = Known(family);
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.ClusterIp, 80));
        Assert.Equal((Curl, Web), Of(s, s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_the_world_before_it_is_masqueraded(Family family)
    {
        Scenario s = Known(family);
        uint world = family == Family.Ipv4 ? NumericIdentity.WorldIpv4 : NumericIdentity.WorldIpv6;
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Outside, 443));
        Assert.Equal((Curl, world), Of(s, s.Mesh.CurlPod, Client, s.Mesh.Outside, 443));
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Outside, Client, s.Mesh.Node, 30080));
        Assert.Equal((world, Web), Of(s, s.Mesh.Outside, Client, s.Mesh.Webpod1, 80));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_the_node_and_of_other_nodes(Family family)
    {
        Scenario s = Known(family);
        s.Sends(TestNode.Host, TestPacket.Tcp(s.Mesh.Node, Client, s.Mesh.Webpod1, 80));
        Assert.Equal((NumericIdentity.Host, Web), Of(s, s.Mesh.Node, Client, s.Mesh.Webpod1, 80));
        s.Sends(TestNode.Host, TestPacket.Tcp(s.Mesh.Router, Client, s.Mesh.Webpod1, 80));
        Assert.Equal((NumericIdentity.Host, Web), Of(s, s.Mesh.Router, Client, s.Mesh.Webpod1, 80));

        // The node forwards what stands behind it, a container of its own: to Cilium that is the host.
        IpAddress behind = s.Mesh.At("192.0.2.99");
        s.Sends(TestNode.Host, TestPacket.Tcp(behind, Client, s.Mesh.Webpod1, 80));
        Assert.Equal((NumericIdentity.Host, Web), Of(s, behind, Client, s.Mesh.Webpod1, 80));
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.EastWorker, Client, s.Mesh.Webpod1, 80));
        Assert.Equal((NumericIdentity.RemoteNode, Web), Of(s, s.Mesh.EastWorker, Client, s.Mesh.Webpod1, 80));
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.ControlPlane, 6443));
        Assert.Equal((Curl, NumericIdentity.KubeApiServer), Of(s, s.Mesh.CurlPod, Client, s.Mesh.ControlPlane, 6443));
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Node, 22));
        Assert.Equal((Curl, NumericIdentity.Host), Of(s, s.Mesh.CurlPod, Client, s.Mesh.Node, 22));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Of_a_pod_whose_labels_nobody_knows_and_one_that_is_not_ours(Family family)
    {
        Scenario s = Known(family);
        s.Sends(TestNode.Web2, TestPacket.Tcp(s.Mesh.Webpod2, Client, s.Mesh.WestPod, 80));
        Assert.Equal((NumericIdentity.Init, NumericIdentity.Unmanaged), Of(s, s.Mesh.Webpod2, Client, s.Mesh.WestPod, 80));
    }

    private static Scenario Known(Family family)
    {
        var s = new Scenario(family);
        s.Node.Apply(new DesiredChange
        {
            Ipcache =
            [
                Entry(s.Mesh.CurlPod, Curl), Entry(s.Mesh.Webpod1, Web), Entry(s.Mesh.EastPod, East), Entry(s.Mesh.ControlPlane, NumericIdentity.KubeApiServer),
                Entry(s.Mesh.WestPod, NumericIdentity.Unmanaged),
            ],
        });
        var events = new FlowEvents(0);
        foreach (LiveTables live in s.Node.AllLive)
        {
            live.Counters.Events = events;
        }

        return s;
    }

    private static IpcacheSpec Entry(IpAddress address, uint identity) => new(IpPrefix.Host(address), identity, default, 0, IpcacheFlags.None, "", "", "test");

    private static (uint Source, uint Destination) Of(Scenario s, IpAddress source, int port, IpAddress destination, int destinationPort)
    {
        FlowKey key = ConntrackTable.Ordered(new FlowKey(source, destination, (ushort)port, (ushort)destinationPort, IpProtocol.Tcp), out _);
        foreach (LiveTables live in s.Node.AllLive)
        {
            int index = live.Conntrack.Find(key, s.Node.Now);
            if (index >= 0)
            {
                FlowRecord told = live.Counters.Events!.Records.ToArray().Last(r => r.Source == source && r.SourcePort == port && r.Destination == destination && r.DestinationPort == destinationPort);
                Assert.Equal(live.Conntrack[index].SourceIdentity, told.SourceIdentity);
                return (told.SourceIdentity, told.DestinationIdentity);
            }
        }

        throw new InvalidOperationException($"there is no flow {key}");
    }
}
