using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>Each contradiction between objects has one sentence; the one to blame is the one that came.</summary>
public sealed class RuleTests
{
    private static readonly DesiredChange s_present = new()
    {
        Endpoints = [Wanted.Endpoint("m", "10.0.1.50")],
        Nodes = [Wanted.Node("east/m", "172.18.0.2", "10.1.1.0/24")],
        Routes = [Wanted.Route("192.168.7.0/24", "172.18.0.100")],
        Services = [Wanted.Service("m", "10.2.0.1:80 node:30080", "10.0.1.50:80")],
    };

    public static TheoryData<string, DesiredChange, string> Mistakes => new()
    {
        // Addresses.
        { "endpoint like endpoint", Endpoints(Wanted.Endpoint("a", "10.0.1.50")), "pod.yaml:a: endpoint a: address 10.0.1.50 is that of endpoint m already; give each its own" },
        { "endpoint like endpoint of the same change", Endpoints(Wanted.Endpoint("b", "10.0.1.9"), Wanted.Endpoint("a", "10.0.1.9")), "pod.yaml:a: endpoint a: address 10.0.1.9 is that of endpoint b already; give each its own" },
        { "endpoint like node", Endpoints(Wanted.Endpoint("a", "172.18.0.2")), "pod.yaml:a: endpoint a: address 172.18.0.2 is that of node east/m already; give each its own" },
        { "endpoint like this node", Endpoints(Wanted.Endpoint("a", "172.18.0.5")), "pod.yaml:a: endpoint a: address 172.18.0.5 is that of this node already; give each its own" },
        { "endpoint like router", Endpoints(Wanted.Endpoint("a", "10.0.1.1")), "pod.yaml:a: endpoint a: address 10.0.1.1 is that of this node's router address already; give each its own" },
        { "node like node", Nodes(Wanted.Node("east/a", "172.18.0.2")), "node.yaml:a: node east/a: address 172.18.0.2 is that of node east/m already; give each its own" },
        { "node like this node", Nodes(Wanted.Node("east/a", "172.18.0.5")), "node.yaml:a: node east/a: address 172.18.0.5 is that of this node already; give each its own" },
        { "node like endpoint", Nodes(Wanted.Node("east/a", "10.0.1.50")), "node.yaml:a: node east/a: address 10.0.1.50 is that of endpoint m already; give each its own" },

        // Ports.
        { "same interface", Endpoints(Wanted.Endpoint("a", "10.0.1.9", "ns-m")), "pod.yaml:a: endpoint a: interface eth0 in namespace ns-m is that of endpoint m already; give each pod a namespace of its own" },
        { "named host", Endpoints(Wanted.Endpoint("host", "10.0.1.9")), "pod.yaml:host: endpoint host: 'host' is the name of the node's own port; give the endpoint another one, such as default/host" },
        { "named uplink", Endpoints(Wanted.Endpoint("uplink", "10.0.1.9")), "pod.yaml:uplink: endpoint uplink: 'uplink' is the name of the node's own port; give the endpoint another one, such as default/uplink" },

        // Pod CIDRs.
        { "same CIDR", Nodes(Wanted.Node("east/a", "172.18.0.3", "10.1.1.0/24")), "node.yaml:a: node east/a: pod CIDR 10.1.1.0/24 overlaps 10.1.1.0/24 of node east/m; pod CIDRs must be distinct in the whole mesh" },
        { "CIDR inside another", Nodes(Wanted.Node("east/a", "172.18.0.3", "10.1.1.128/25")), "node.yaml:a: node east/a: pod CIDR 10.1.1.128/25 overlaps 10.1.1.0/24 of node east/m; pod CIDRs must be distinct in the whole mesh" },
        { "CIDR around another", Nodes(Wanted.Node("east/a", "172.18.0.3", "10.1.0.0/16")), "node.yaml:a: node east/a: pod CIDR 10.1.0.0/16 overlaps 10.1.1.0/24 of node east/m; pod CIDRs must be distinct in the whole mesh" },
        { "CIDR of this node", Nodes(Wanted.Node("east/a", "172.18.0.3", "10.0.0.0/16")), "node.yaml:a: node east/a: pod CIDR 10.0.0.0/16 overlaps 10.0.1.0/24 of this node; pod CIDRs must be distinct in the whole mesh" },
        { "CIDR twice in one node", Nodes(Wanted.Node("east/a", "172.18.0.3", "10.7.0.0/16 10.7.3.0/24")), "node.yaml:a: node east/a: pod CIDR 10.7.3.0/24 overlaps 10.7.0.0/16 of node east/a; pod CIDRs must be distinct in the whole mesh" },
        { "CIDR like an endpoint's address", Nodes(Wanted.Node("east/a", "172.18.0.3", "10.0.1.50/32")), "node.yaml:a: node east/a: pod CIDR 10.0.1.50/32 overlaps 10.0.1.0/24 of this node; pod CIDRs must be distinct in the whole mesh" },

        // Nodes.
        { "own node", Nodes(Wanted.Node("west/west-worker", "172.18.0.3")), "node.yaml:west-worker: node west/west-worker is this node itself; list only the others" },
        { "not on the link", Nodes(Wanted.Node("east/a", "172.19.0.3", "10.1.9.0/24")), "node.yaml:a: node east/a: address 172.19.0.3 must be directly reachable, but it is not in 172.18.0.0/16; put the nodes on one network or turn autoDirectNodeRoutes off and give routes" },
        { "missing family", Nodes(Wanted.Node("east/a", "172.18.0.3", "fd00:1::/64")), "node.yaml:a: node east/a: pod CIDR fd00:1::/64 needs a node address of its family; add one to addresses" },

        { "CIDR like the link", Nodes(Wanted.Node("east/a", "172.18.0.3", "172.18.0.0/16")), "node.yaml:a: node east/a: pod CIDR 172.18.0.0/16: this node's network gives that route already; remove one of the two" },

        // Routes.
        { "route like a node's", Routes(Wanted.Route("10.1.1.0/24", "172.18.0.9")), "route.yaml:10.1.1.0/24: route 10.1.1.0/24: node east/m gives that route already; remove one of the two" },
        { "route like the gateway's", Routes(Wanted.Route("0.0.0.0/0", "172.18.0.9")), "route.yaml:0.0.0.0/0: route 0.0.0.0/0: the uplink's gateway gives that route already; remove one of the two" },
        { "route like the link's", Routes(Wanted.Route("172.18.0.0/16", "172.18.0.9")), "route.yaml:172.18.0.0/16: route 172.18.0.0/16: this node's network gives that route already; remove one of the two" },
        { "route like the node's own pods'", Routes(Wanted.Route("10.0.1.0/24", "172.18.0.9")), "route.yaml:10.0.1.0/24: route 10.0.1.0/24: this node's pod CIDR gives that route already; remove one of the two" },
        { "route like the node's address", Routes(Wanted.Route("172.18.0.5/32", "172.18.0.9")), "route.yaml:172.18.0.5/32: route 172.18.0.5/32: this node's address gives that route already; remove one of the two" },
        { "route like the router's address", Routes(Wanted.Route("10.0.1.1/32", "172.18.0.9")), "route.yaml:10.0.1.1/32: route 10.0.1.1/32: this node's address gives that route already; remove one of the two" },
        { "route like an endpoint's", Routes(Wanted.Route("10.0.1.50/32", "172.18.0.9")), "route.yaml:10.0.1.50/32: route 10.0.1.50/32: endpoint m gives that route already; remove one of the two" },
        { "node's CIDR like a route", Nodes(Wanted.Node("east/a", "172.18.0.3", "192.168.7.0/24")), "route.yaml:192.168.7.0/24: route 192.168.7.0/24: node east/a gives that route already; remove one of the two" },
        { "next hop off the link", Routes(Wanted.Route("10.9.0.0/16", "172.19.0.9")), "route.yaml:10.9.0.0/16: route 10.9.0.0/16: next hop 172.19.0.9 is not on the node network; give an address there" },

        // Services.
        { "same frontend", Services(Wanted.Service("a", "10.2.0.1:80")), "service.yaml:a: service a: frontend 10.2.0.1:80/TCP is that of service m already; give each its own" },
        { "same frontend twice", Services(Wanted.Service("a", "10.2.0.2:80 10.2.0.2:80")), "service.yaml:a: service a: frontend 10.2.0.2:80/TCP is that of service a already; give each its own" },
        { "same node port", Services(Wanted.Service("a", "node:30080")), "service.yaml:a: service a: node port 30080/TCP is that of service m already; give each its own" },
        { "cluster address like a node port", Services(Wanted.Service("a", "172.18.0.5:30080")), "service.yaml:a: service a: frontend 172.18.0.5:30080/TCP is that of service m already; give each its own" },
        { "node port like a cluster address", Services(Wanted.Service("a", "172.18.0.5:30090"), Wanted.Service("b", "node:30090")), "service.yaml:b: service b: node port 30090/TCP is that of service a already; give each its own" },
        { "same backend", Services(Wanted.Service("a", "10.2.0.2:80", "10.0.1.9:80 10.0.1.9:80")), "service.yaml:a: service a: backend 10.0.1.9:80 is listed twice; list each address and port once" },
        { "same backend of two clusters", Services(InTwoClusters), "service.yaml:a: service a: backend 10.0.1.9:80 is listed twice; list each address and port once" },
    };

    private static ServiceSpec InTwoClusters => Wanted.Service("a", "10.2.0.2:80") with
    {
        Backends = [new BackendSpec(Wanted.Host("10.0.1.9:80"), 80, "west", ""), new BackendSpec(Wanted.Host("10.0.1.9:80"), 80, "east", "")],
    };

    [Theory]
    [MemberData(nameof(Mistakes), DisableDiscoveryEnumeration = true)]
    public void Each_contradiction_has_its_sentence(string what, DesiredChange change, string sentence)
    {
        StateWriter writer = Wanted.Writer();
        Snapshot before = writer.Apply(s_present);
        ConfigurationException? refused = null;
        try
        {
            writer.Plan(change);
        }
        catch (ConfigurationException e)
        {
            refused = e;
        }

        Assert.True(refused is not null, $"{what}: the change was taken");
        Assert.Equal(sentence, refused.Message);
        Assert.Same(before, writer.Current);
    }

    [Fact]
    public void A_frontend_of_another_protocol_or_port_is_another_one()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(s_present);
        writer.Apply(
            Wanted.Service("udp", "10.2.0.1:80 node:30080", protocol: Wire.IpProtocol.Udp), Wanted.Service("other", "10.2.0.1:81 node:30081"), Wanted.Service("pod", "172.18.0.6:30080"));
        // A NodePort also stands on 0.0.0.0.
        Assert.Equal(10, writer.FrontendCount);
    }

    [Fact]
    public void Without_an_uplink_no_node_has_pods_and_no_route_a_next_hop()
    {
        StateWriter writer = Wanted.Writer(Wanted.WestWorker with { Uplink = null });
        Assert.Equal(
            "node.yaml:a: node east/a: this node has no uplink to reach it by; add an uplink section",
            Assert.Throws<ConfigurationException>(() => writer.Plan(Nodes(Wanted.Node("east/a", "172.18.0.3", "10.1.1.0/24")))).Message);
        Assert.Equal(
            "route.yaml:10.9.0.0/16: route 10.9.0.0/16: next hop 172.18.0.9 is not on the node network; give an address there",
            Assert.Throws<ConfigurationException>(() => writer.Plan(Routes(Wanted.Route("10.9.0.0/16", "172.18.0.9")))).Message);
    }

    [Fact]
    public void An_overlap_across_the_other_family_in_address_order_is_found()
    {
        // As 16 bytes, all of IPv4 lies inside ::/0, between it and fd00::.
        StateWriter writer = Wanted.Writer(Wanted.DualStack with { PodCidrs = Wanted.Prefixes("10.0.1.0/24") });
        ConfigurationException refused = Assert.Throws<ConfigurationException>(() => writer.Plan(Nodes(
            Wanted.Node("east/a", "172.18.0.2 fc00:f853::2", "::/0"), Wanted.Node("east/b", "172.18.0.3 fc00:f853::3", "fd00:10:1::/64"))));
        Assert.Equal("node.yaml:b: node east/b: pod CIDR fd00:10:1::/64 overlaps ::/0 of node east/a; pod CIDRs must be distinct in the whole mesh", refused.Message);
    }

    [Fact]
    public void An_endpoint_and_a_nodes_CIDR_of_one_address_do_not_share_a_route()
    {
        // Only without pod CIDRs of its own may a node's pod lie in another's.
        StateWriter writer = Wanted.Writer(Wanted.WestWorker with { PodCidrs = [], RouterAddresses = [] });
        writer.Apply(Nodes(Wanted.Node("east/a", "172.18.0.2", "10.0.9.9/32")));
        Assert.Equal(
            "pod.yaml:a: endpoint a: address 10.0.9.9 is all of pod CIDR 10.0.9.9/32 of node east/a; give each its own",
            Assert.Throws<ConfigurationException>(() => writer.Plan(Endpoints(Wanted.Endpoint("a", "10.0.9.9")))).Message);
    }

    [Fact]
    public void There_are_only_so_many_ports()
    {
        StateWriter writer = Wanted.Writer();
        EndpointSpec[] tooMany = [.. Enumerable.Range(0, Port.MaxCount - 1).Select(i => Wanted.Endpoint($"pod-{i}", $"10.9.{i / 250}.{1 + i % 250}"))];
        Assert.Equal(
            "4095 endpoints are more than the 4094 that one forwarder serves; use several nodes",
            Assert.Throws<ConfigurationException>(() => writer.Plan(Endpoints(tooMany))).Message);
    }

    [Fact]
    public void There_are_only_so_many_frontends()
    {
        ServiceSpec tooMany = Wanted.Service("a", "10.2.0.2:80") with
        {
            Frontends = [.. Enumerable.Range(0, 1 << ServiceTable.SlotBits).Select(i => new FrontendSpec(ServiceType.ClusterIP, Wire.IpAddress.FromIpv4(0x0A40_0000u + (uint)i), 80))],
        };
        Assert.Equal(
            "1048576 frontends are more than the 1048575 that one forwarder serves; use several nodes",
            Assert.Throws<ConfigurationException>(() => Wanted.Writer().Plan(Services(tooMany))).Message);
    }

    [Fact]
    public void What_is_freed_by_a_change_may_be_taken_in_it()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(s_present);
        Snapshot after = writer.Apply(new DesiredChange
        {
            Replace = true,
            Endpoints = [Wanted.Endpoint("a", "10.0.1.50", "ns-m")],
            Nodes = [Wanted.Node("east/a", "172.18.0.2", "192.168.7.0/24")],
            Routes = [Wanted.Route("10.1.1.0/24", "172.18.0.100")],
            Services = [Wanted.Service("a", "10.2.0.1:80 node:30080")],
        });
        Assert.Equal("Endpoint a", after.Look("10.0.1.50"));
        Assert.Equal("Node uplink 172.18.0.2", after.Look("192.168.7.1"));
        Assert.Equal("Gateway uplink 172.18.0.100", after.Look("10.1.1.1"));
    }

    private static DesiredChange Endpoints(params EndpointSpec[] endpoints) => new() { Endpoints = endpoints };

    private static DesiredChange Nodes(params NodeSpec[] nodes) => new() { Nodes = nodes };

    private static DesiredChange Routes(params RouteSpec[] routes) => new() { Routes = routes };

    private static DesiredChange Services(params ServiceSpec[] services) => new() { Services = services };
}
