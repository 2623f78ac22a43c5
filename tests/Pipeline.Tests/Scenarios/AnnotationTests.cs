using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>What a service's annotations leave out is not there for any packet: frontends of other types, other nodes' services, backends of other zones.</summary>
public sealed class AnnotationTests
{
    private const int Client = 40001;

    /// <summary>service.cilium.io/type.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Only_frontends_of_one_type(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Balanced(x => x.Webpod1) with { OnlyType = ServiceType.LoadBalancer }] });
        TestPacket balanced = TestPacket.Tcp(m.Outside, Client, m.BalancerIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, balanced, TestNode.Web1, balanced.Hopped() with { Destination = m.Webpod1 });
        IsNoService(s);
    }

    /// <summary>service.cilium.io/node-selector, against the node's labels.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Only_on_nodes_that_are_selected(Family family)
    {
        Assert.True(LabelSelector.TryParse("rack in (1,2)", out LabelSelector? selector));
        ServiceSpec webpod = TestNode.Webpod(x => x.Webpod1) with { Nodes = selector };
        Scenario other = Labelled(family, "rack", "3");
        other.Node.Apply(new() { Services = [webpod] });
        IsNoService(other);
        Scenario selected = Labelled(family, "rack", "2");
        selected.Node.Apply(new() { Services = [webpod] });
        Mesh m = selected.Mesh;
        TestPacket inside = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        selected.Forwards(TestNode.Curl, inside, TestNode.Web1, inside.Hopped() with { Destination = m.Webpod1 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_headless_service_takes_no_packet(Family family)
    {
        var s = new Scenario(family);
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod1) with { Frontends = [] }] });
        IsNoService(s);
        TestPacket direct = TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, direct, TestNode.Web1, direct.Hopped());
    }

    /// <summary>trafficDistribution: PreferClose keeps to the zone, until one backend has no hint.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Backends_of_the_nodes_zone(Family family)
    {
        Scenario s = Labelled(family, "topology.kubernetes.io/zone", "a");
        ServiceSpec webpod = TestNode.Webpod(x => x.Webpod1, x => x.Webpod2) with { UsesTopology = true };
        BackendSpec[] hinted = [.. webpod.Backends.Select(b => b with { ForZones = b.Address == s.Mesh.Webpod1 || b.Address == new Mesh(Other(family)).Webpod1 ? "a,c" : "b" })];
        s.Node.Apply(new() { Services = [webpod with { Backends = hinted }] });
        Assert.Equal([TestNode.Web1], Met(s, 1000));
        s.Node.Apply(new() { Services = [webpod with { Backends = [.. hinted.Select(b => b.Address == s.Mesh.Webpod2 ? b with { ForZones = "" } : b)] }] });
        Assert.Equal([TestNode.Web1, TestNode.Web2], Met(s, 2000));
    }

    private static IEnumerable<string> Met(Scenario s, int port) => Enumerable.Range(port, 40)
        .Select(i => s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, i, s.Mesh.ClusterIp, 80, TcpFlags.Syn)).Port).Distinct().Order();

    private static Family Other(Family family) => family == Family.Ipv4 ? Family.Ipv6 : Family.Ipv4;

    private static Scenario Labelled(Family family, string name, string value) => new(family, new TestNode(local: l => l with
    {
        Labels = new Dictionary<string, string> { [name] = value },
        LoadBalancer = l.LoadBalancer with { HasServiceTopology = true },
    }));

    /// <summary>Neither the ClusterIP from inside nor the node port from outside means anything.</summary>
    private static void IsNoService(Scenario s)
    {
        Mesh m = s.Mesh;
        TestPacket inside = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, inside, m.Gateway, inside.Hopped() with { Source = m.Node });
        TestPacket outside = TestPacket.Tcp(m.Outside, Client, m.Node, 30080, TcpFlags.Syn);
        s.Forwards(TestNode.Uplink, outside, TestNode.Host, outside);
    }
}
