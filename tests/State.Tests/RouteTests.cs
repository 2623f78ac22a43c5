using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>Which objects give which routes, and that they leave nothing behind and take nothing along.</summary>
public sealed class RouteTests
{
    [Theory]
    [InlineData("10.0.1.77", "Unreachable -")]
    [InlineData("10.0.1.1", "Host host")]
    [InlineData("172.18.0.5", "Host host")]
    [InlineData("172.18.3.4", "OnLink uplink")]
    [InlineData("8.8.8.8", "Gateway uplink 172.18.0.1")]
    public void A_fresh_node_routes_its_own(string destination, string target) => Assert.Equal(target, Wanted.Writer().Current.Look(destination));

    [Fact]
    public void A_node_alone_routes_nothing_out()
    {
        StateWriter writer = Wanted.Writer(Wanted.WestWorker with { Uplink = null, Host = null });
        Assert.Equal("none", writer.Current.Look("8.8.8.8"));
        Assert.Equal(-1, writer.Current.UplinkPort);
        Assert.Equal("Endpoint a", writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("a", "10.0.1.5")] }).Look("10.0.1.5"));
    }

    [Fact]
    public void A_prefix_moves_between_two_nodes_in_one_change()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Nodes = [Wanted.Node("east/a", "172.18.0.2", "10.1.1.0/24"), Wanted.Node("east/b", "172.18.0.3", "10.1.2.0/24")] });
        Snapshot after = writer.Apply(new DesiredChange { Nodes = [Wanted.Node("east/a", "172.18.0.2", "10.1.2.0/24"), Wanted.Node("east/b", "172.18.0.3", "10.1.1.0/24")] });
        Assert.Equal("Node uplink 172.18.0.2", after.Look("10.1.2.9"));
        Assert.Equal("Node uplink 172.18.0.3", after.Look("10.1.1.9"));
        Assert.Equal("Gateway uplink 172.18.0.1", writer.Apply(new DesiredChange { Replace = true, Nodes = [] }).Look("10.1.1.9"));
    }

    [Fact]
    public void A_prefix_moves_between_a_route_and_a_node_in_one_change()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Routes = [Wanted.Route("10.1.1.0/24", "172.18.0.100")] });
        Snapshot after = writer.Apply(new DesiredChange { Replace = true, Routes = [], Nodes = [Wanted.Node("east/a", "172.18.0.2", "10.1.1.0/24")] });
        Assert.Equal("Node uplink 172.18.0.2", after.Look("10.1.1.9"));
        after = writer.Apply(new DesiredChange { Replace = true, Nodes = [], Routes = [Wanted.Route("10.1.1.0/24", "172.18.0.100")] });
        Assert.Equal("Gateway uplink 172.18.0.100", after.Look("10.1.1.9"));
    }

    [Fact]
    public void An_address_moves_between_two_endpoints_in_one_change()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("a", "10.0.1.5"), Wanted.Endpoint("b", "10.0.1.6")] });
        Snapshot after = writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("a", "10.0.1.6"), Wanted.Endpoint("b", "10.0.1.5")] });
        Assert.Equal("Endpoint b", after.Look("10.0.1.5"));
        Assert.Equal("Endpoint a", after.Look("10.0.1.6"));
    }

    [Fact]
    public void Without_direct_routes_only_the_persons_own_count()
    {
        StateWriter writer = Wanted.Writer(Wanted.WestWorker with { AutoDirectNodeRoutes = false });
        Snapshot after = writer.Apply(new DesiredChange
        {
            Nodes = [Wanted.Node("east/far", "192.0.2.1", "10.1.1.0/24")],
            Routes = [Wanted.Route("10.1.1.0/24", "172.18.0.100")],
        });
        Assert.Equal("Gateway uplink 172.18.0.100", after.Look("10.1.1.9"));
        Assert.Equal("Gateway uplink 172.18.0.100", writer.Delete(ObjectKind.Node, "east/far").Look("10.1.1.9"));
    }

    [Fact]
    public void The_next_hop_is_the_nodes_address_of_the_family()
    {
        Snapshot after = Wanted.Writer(Wanted.DualStack).Apply(new DesiredChange
        {
            Nodes = [Wanted.Node("east/a", "fc00:f853::2 172.18.0.2", "10.1.1.0/24 fd00:10:1:1::/64")],
        });
        Assert.Equal("Node uplink 172.18.0.2", after.Look("10.1.1.9"));
        Assert.Equal("Node uplink fc00:f853::2", after.Look("fd00:10:1:1::9"));
    }

    [Fact]
    public void An_older_snapshot_answers_as_it_did_until_it_is_reclaimed()
    {
        StateWriter writer = Wanted.Writer();
        Snapshot old = writer.Apply(new DesiredChange { Routes = [Wanted.Route("192.168.1.0/24", "172.18.0.100")] });
        for (int i = 0; i < 40; i++)
        {
            writer.Apply(new DesiredChange { Routes = [Wanted.Route("192.168.1.0/24", $"172.18.1.{i + 1}"), Wanted.Route($"192.168.{i + 2}.0/24", $"172.18.2.{i + 1}")] });
        }

        Assert.Equal("Gateway uplink 172.18.0.100", old.Look("192.168.1.9"));
        Assert.Equal("Gateway uplink 172.18.0.1", old.Look("192.168.2.9"));
        writer.Reclaim(writer.Current);
        Assert.Equal("Gateway uplink 172.18.1.40", writer.Current.Look("192.168.1.9"));
        Assert.Equal("Gateway uplink 172.18.2.1", writer.Current.Look("192.168.2.9"));
    }
}
