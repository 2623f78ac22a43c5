using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>A change holds whole or not at all, and asking for what is there changes nothing.</summary>
public sealed class PlanAndCommitTests
{
    private static readonly DesiredChange s_world = new()
    {
        Masquerade = new MasqueradeSpec(true, Wanted.Prefixes("10.1.0.0/16")),
        Endpoints = [Wanted.Endpoint("a", "10.0.1.5"), Wanted.Endpoint("b", "10.0.1.6")],
        Nodes = [Wanted.Node("east/worker", "172.18.0.2", "10.1.1.0/24")],
        Routes = [Wanted.Route("192.168.7.0/24", "172.18.0.100")],
        Services = [Wanted.Service("web", "10.2.0.1:80 node:30080", "10.0.1.5:80 10.1.1.2:80")],
    };

    [Fact]
    public void A_plan_changes_nothing_until_it_is_committed()
    {
        StateWriter writer = Wanted.Writer();
        Snapshot before = writer.Current;
        StatePlan plan = writer.Plan(s_world);
        Assert.Equal(6, plan.ChangedCount);
        Assert.Same(before, writer.Current);
        Assert.Empty(writer.Desired.Endpoints);
        Snapshot after = writer.Commit(plan);
        Assert.Same(after, writer.Current);
        Assert.Equal(before.Version + 1, writer.Version);
        Assert.Equal("Endpoint a", after.Look("10.0.1.5"));
    }

    [Fact]
    public void A_refused_change_leaves_version_snapshot_and_wish_untouched()
    {
        StateWriter writer = Wanted.Writer();
        Snapshot before = writer.Apply(s_world);
        DesiredState wish = writer.Desired;
        IReadOnlyDictionary<string, Port> ports = writer.Ports;
        Assert.Throws<ConfigurationException>(() => writer.Plan(new DesiredChange
        {
            Endpoints = [Wanted.Endpoint("c", "10.0.1.7"), Wanted.Endpoint("d", "10.0.1.7")],
            Services = [Wanted.Service("new", "10.2.0.2:80")],
        }));
        Assert.Throws<KeyNotFoundException>(() => writer.PlanDelete(ObjectKind.Endpoint, ["a", "nobody"]));
        Assert.Same(before, writer.Current);
        Assert.Same(wish, writer.Desired);
        Assert.Same(ports, writer.Ports);
        Assert.Equal("Endpoint a", before.Look("10.0.1.5"));
    }

    [Fact]
    public void The_same_change_again_changes_nothing()
    {
        StateWriter writer = Wanted.Writer();
        Snapshot first = writer.Apply(s_world);
        foreach (bool replace in (bool[])[false, true])
        {
            StatePlan again = writer.Plan(s_world with { Replace = replace });
            Assert.Equal(0, again.ChangedCount);
            Assert.Empty(again.Added);
            Assert.Empty(again.Removed);
            Assert.Same(first, writer.Commit(again));
        }

        // Wherever it was written, it is the same wish.
        EndpointSpec elsewhere = Wanted.Endpoint("a", "10.0.1.5") with { Source = "another.yaml:1" };
        Assert.Equal(0, writer.Plan(new DesiredChange { Endpoints = [elsewhere] }).ChangedCount);
    }

    [Fact]
    public void A_plan_of_an_older_configuration_cannot_be_committed()
    {
        StateWriter writer = Wanted.Writer();
        StatePlan stale = writer.Plan(s_world);
        writer.Apply(Wanted.Service("web", "10.2.0.9:80"));
        Assert.Throws<InvalidOperationException>(() => writer.Commit(stale));
        Assert.Empty(writer.Desired.Endpoints);
    }

    [Fact]
    public void Merge_adds_and_replace_makes_the_list_the_whole_set_of_its_kind()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(s_world);
        EndpointSpec c = Wanted.Endpoint("c", "10.0.1.7");
        Assert.Equal(1, writer.Plan(new DesiredChange { Endpoints = [c] }).ChangedCount);
        writer.Apply(new DesiredChange { Endpoints = [c] });
        Assert.Equal(["a", "b", "c"], writer.Desired.Endpoints.Keys.Order());

        // One stays, one goes, one is new; what is not listed at all stays.
        StatePlan plan = writer.Plan(new DesiredChange { Replace = true, Endpoints = [c, Wanted.Endpoint("d", "10.0.1.8")], Routes = [] });
        Assert.Equal(4, plan.ChangedCount);
        Assert.Equal(["a", "b"], plan.Removed.Select(e => e.Name).Order());
        Assert.Equal(["d"], plan.Added.Select(e => e.Name));
        Snapshot after = writer.Commit(plan);
        Assert.Equal("Unreachable -", after.Look("10.0.1.5"));
        Assert.Equal("Gateway uplink 172.18.0.1", after.Look("192.168.7.1"));
        Assert.Equal("Node uplink 172.18.0.2", after.Look("10.1.1.2"));
        Assert.True(after.Masquerade.IsEnabled);
    }

    [Fact]
    public void What_is_deleted_by_name_is_gone()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(s_world);
        writer.Delete(ObjectKind.Endpoint, "a");
        writer.Delete(ObjectKind.Node, "east/worker");
        writer.Delete(ObjectKind.Route, "192.168.7.0/24");
        Snapshot after = writer.Delete(ObjectKind.Service, "web");
        Assert.Equal("Unreachable -", after.Look("10.0.1.5"));
        Assert.Equal("Endpoint b", after.Look("10.0.1.6"));
        Assert.Equal("Gateway uplink 172.18.0.1", after.Look("10.1.1.2"));
        Assert.Equal((0, 0), (writer.FrontendCount, writer.BackendCount));
        Assert.Equal(6, after.Version);
    }

    [Theory]
    [InlineData(ObjectKind.Endpoint, "nobody", "there is no endpoint 'nobody'; nothing was deleted")]
    [InlineData(ObjectKind.Node, "worker", "there is no node 'worker' (a node is named by its cluster, too: west/west-worker); nothing was deleted")]
    [InlineData(ObjectKind.Route, "10.9.0.0/16", "there is no route of your own '10.9.0.0/16' (routes of endpoints, nodes and gateways go with them); nothing was deleted")]
    [InlineData(ObjectKind.Route, "nonsense", "there is no route of your own 'nonsense' (routes of endpoints, nodes and gateways go with them); nothing was deleted")]
    [InlineData(ObjectKind.Service, "default/web", "there is no service 'default/web'; nothing was deleted")]
    public void A_name_that_is_not_there_is_said(ObjectKind kind, string name, string sentence)
    {
        StateWriter writer = Wanted.Writer(Wanted.DualStack);
        writer.Apply(s_world);
        writer.Apply(new DesiredChange { Routes = [Wanted.Route("::/0", "fc00:f853::1")] });
        Assert.Equal(sentence, Assert.Throws<KeyNotFoundException>(() => writer.PlanDelete(kind, [name])).Message);
    }

    [Fact]
    public void Masquerade_rules_follow_the_change_and_the_nodes()
    {
        StateWriter writer = Wanted.Writer();
        MasqueradeRules rules = writer.Apply(s_world).Masquerade;
        Assert.True(rules.NonMasquerade.TryLookup(Wire.IpAddress.Parse("10.1.9.9"), out _));
        Assert.True(rules.RemoteNodes.TryLookup(Wire.IpAddress.Parse("172.18.0.2"), out _));
        Assert.True(rules.NativeRouting.TryLookup(Wire.IpAddress.Parse("10.0.200.1"), out _));
        Assert.Equal((32768, 65535), ((int)rules.FirstPort, (int)rules.LastPort));
        rules = writer.Delete(ObjectKind.Node, "east/worker").Masquerade;
        Assert.False(rules.RemoteNodes.TryLookup(Wire.IpAddress.Parse("172.18.0.2"), out _));
        Assert.False(writer.Apply(new DesiredChange { Masquerade = new MasqueradeSpec(false, []) }).Masquerade.IsEnabled);
    }
}
