using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>What a running node does with real packets, and how changes over the control socket show in them.</summary>
public sealed class TrafficTests
{
    [Fact]
    public async Task Pods_reach_each_other_their_node_and_the_world()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        Assert.True(world.Ping("a", "10.0.1.12"), "pod to pod");
        Assert.True(world.Ping("a", "10.0.1.1"), "pod to router address");
        Assert.True(world.Ping("a", "172.18.0.5"), "pod to node");
        Assert.True(world.Ping("host", "10.0.1.11"), "node to pod");
        Assert.True(world.Ping("host", World.WorldAddress), "node to world");
        Assert.True(world.Ping("world", "172.18.0.5"), "world to node");
        Assert.True(world.Ping("a", World.WorldAddress), "pod to world, masqueraded");
        Assert.False(world.Ping("a", "10.0.1.77"), "an address without a pod answers");
        Assert.Equal("", forwarder.Errors);
    }

    [Fact]
    public async Task An_endpoint_comes_and_goes_with_its_device()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        long version = (await client.GetStatusAsync()).ConfigurationVersion;
        ChangeResult added = await client.MergeAsync(world.Endpoint("c", "10.0.1.13"));
        Assert.Equal(new ChangeResult(version + 1, 1), added);
        Assert.True(world.Ping("a", "10.0.1.13"));
        Assert.Equal(new ChangeResult(version + 1, 0), await client.MergeAsync(world.Endpoint("c", "10.0.1.13")));

        // Changed under the same device.
        Assert.Equal(1, (await client.MergeAsync(world.Endpoint("c", "10.0.1.14"))).Changed);
        Assert.True(world.Ping("a", "10.0.1.14"));
        Assert.False(world.Ping("a", "10.0.1.13"));
        Assert.Equal(1, (await client.DeleteAsync("endpoint", ["default/c"])).Changed);
        Assert.False(world.HasInterface("c", "eth0"));
        Assert.Equal(["default/a", "default/b"], (await client.ListAsync(ControlKinds.Endpoint).ToListAsync()).Select(e => e.Name));
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    [Fact]
    public async Task A_service_answers_at_its_frontends_until_it_is_deleted()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Socket listener = world.Listen("b", 8080);
        ServiceDocument service = Change.Service("default/web", "10.2.0.1:80", "10.0.1.12:8080");
        Assert.Equal(2, (await client.MergeAsync(service, Change.Service("default/node", "30080", "10.0.1.12:8080"))).Changed);
        Assert.Equal("10.0.1.11", world.Connect("a", "10.2.0.1", 80, listener));
        Assert.Equal("10.0.1.11", world.Connect("a", "172.18.0.5", 30080, listener));
        Assert.Equal(World.WorldAddress, world.Connect("world", "172.18.0.5", 30080, listener));
        ConntrackRow choice = (await client.ListAsync(ControlKinds.Conntrack).ToListAsync()).First(r => r.Direction == "SVC" && r.Destination == "10.2.0.1:80");
        ServiceRow row = (await client.ListAsync(ControlKinds.Service).ToListAsync()).Single(s => s.Name == "default/web");
        Assert.Equal((row.Id, row.Backends[0].Id), (choice.RevNat, choice.BackendId));

        await client.DeleteAsync("service", ["default/web", "default/node"]);
        Assert.Empty(await client.ListAsync(ControlKinds.Service).ToListAsync());
        Assert.Equal(0, (await client.GetStatusAsync()).Backends);
    }

    [Fact]
    public async Task Masquerading_can_be_changed_while_the_node_runs()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Socket listener = world.Listen("world", 9090);
        Assert.Equal("172.18.0.5", world.Connect("a", World.WorldAddress, 9090, listener));

        // Exempt, the pod is seen itself: the way back must be known then.
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Masquerade = new MasqueradeSection { NonMasqueradeCidrs = ["172.18.0.0/16"] } });
        world.Ip("world", "route add 10.0.1.0/24 via 172.18.0.5");
        Assert.Equal("10.0.1.11", world.Connect("a", World.WorldAddress, 9090, listener));
        Assert.Contains("172.18.0.0/16", (await client.ListAsync(ControlKinds.Masquerade).ToListAsync()).Select(m => m.Prefix));
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Masquerade = new MasqueradeSection() });
        Assert.Equal("172.18.0.5", world.Connect("a", World.WorldAddress, 9090, listener));
    }

    [Fact]
    public async Task Routes_to_other_nodes_pods_are_mirrored_into_the_hosts_table()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, world.NodeFile("nodes:\n  - {name: east-worker, cluster: east, addresses: [172.18.0.2], podCIDRs: [10.1.1.0/24]}"));
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.Contains("10.1.1.0/24 via 172.18.0.2 dev eth0 proto kernel", world.Ip("host", "route show"));
        RemoteNodeDocument moved = new() { Name = "east-worker", Cluster = "east", Addresses = ["172.18.0.3"], PodCidrs = ["10.1.1.0/24", "10.1.2.0/24"] };
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Nodes = [moved] });
        string routes = world.Ip("host", "route show");
        Assert.Contains("10.1.1.0/24 via 172.18.0.3 dev eth0 proto kernel", routes);
        Assert.Contains("10.1.2.0/24 via 172.18.0.3 dev eth0 proto kernel", routes);
        Assert.DoesNotContain("172.18.0.2", routes);
        await client.DeleteAsync("node", ["east/east-worker"]);
        Assert.DoesNotContain("10.1.", world.Ip("host", "route show"));
        Assert.Equal("", forwarder.Errors);
    }

    [Fact]
    public async Task A_host_route_that_failed_is_tried_again_with_the_next_change()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        world.Ip("host", "link set eth0 down");
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Nodes = [Node("one", 1)] });
        Assert.DoesNotContain("10.1.1.0/24", world.Ip("host", "route show"));
        world.Ip("host", "link set eth0 up");
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Nodes = [Node("two", 2)] });
        string routes = world.Ip("host", "route show");
        Assert.Contains("10.1.2.0/24 via 172.18.1.2", routes);
        Assert.Contains("10.1.1.0/24 via 172.18.1.1", routes);
    }

    [Fact]
    public async Task Only_next_hops_are_asked_for_before_a_packet_needs_them()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, world.NodeFile("routing:\n  autoDirectNodeRoutes: false"));
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        RemoteNodeDocument far = new() { Name = "far", Cluster = "east", Addresses = ["192.0.2.7"], PodCidrs = ["10.1.1.0/24"] };
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Nodes = [far] });
        Assert.DoesNotContain("192.0.2.7", (await client.ListAsync(ControlKinds.Neighbor).ToListAsync()).Select(n => n.Address));
    }

    private static RemoteNodeDocument Node(string name, int number) =>
        new() { Name = name, Cluster = "east", Addresses = [$"172.18.1.{number}"], PodCidrs = [$"10.1.{number}.0/24"] };
}
