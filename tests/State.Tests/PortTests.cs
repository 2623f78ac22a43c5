using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>Port ids: host 0, uplink 1, endpoints behind, each stable while it lives.</summary>
public sealed class PortTests
{
    [Fact]
    public void Host_and_uplink_have_the_first_ids_and_endpoints_come_behind()
    {
        StateWriter writer = Wanted.Writer();
        Snapshot after = writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("b", "10.0.1.6"), Wanted.Endpoint("a", "10.0.1.5")] });
        Assert.Equal(["host", "uplink", "a", "b"], after.Ports.Select(p => p.Name));
        Assert.Equal([0, 1, 2, 3], after.Ports.Select(p => p.Id));
        Assert.True(after.Ports[0].HasAddress(Wanted.Host("10.0.1.1:0")));
        Assert.Equal(1, after.UplinkPort);
    }

    [Fact]
    public void Ids_stay_and_freed_ones_are_given_away_only_in_a_later_change()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("a", "10.0.1.5"), Wanted.Endpoint("b", "10.0.1.6")] });

        // a goes, c comes, b changes: neither takes an id that is freed by this very change.
        writer.Apply(new DesiredChange
        {
            Replace = true,
            Endpoints = [Wanted.Endpoint("b", "10.0.1.6", mac: "0a:00:00:00:00:99"), Wanted.Endpoint("c", "10.0.1.7")],
        });
        Assert.Equal((4, 5), (writer.Ports["b"].Id, writer.Ports["c"].Id));
        Assert.Null(writer.Current.Ports[2]);
        Snapshot later = writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("d", "10.0.1.8")] });
        Assert.Equal((2, 4, 5), (writer.Ports["d"].Id, writer.Ports["b"].Id, writer.Ports["c"].Id));
        Assert.Equal("d", later.Ports[2].Name);
    }

    [Fact]
    public void No_route_leads_to_a_port_that_is_not_there()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("a", "10.0.1.5"), Wanted.Endpoint("b", "10.0.1.6")] });
        writer.Delete(ObjectKind.Endpoint, "a", "b");
        Assert.All(writer.Routes().Where(r => r.Target.Kind != RouteKind.Unreachable), r => Assert.NotNull(writer.Current.Ports[r.Target.Port]));
        Assert.Equal(2, writer.Ports.Count);
    }

    [Fact]
    public void The_last_port_can_be_used_and_a_changed_endpoint_then_needs_room_first()
    {
        StateWriter writer = Wanted.Writer(Wanted.WestWorker with { PodCidrs = Wanted.Prefixes("10.16.0.0/16"), RouterAddresses = Wanted.Addresses("10.16.0.1") });
        EndpointSpec[] all = [.. Enumerable.Range(0, Port.MaxCount - 2).Select(i => Wanted.Endpoint($"pod-{i:d4}", $"10.16.{1 + i / 250}.{1 + i % 250}"))];
        Snapshot full = writer.Apply(new DesiredChange { Endpoints = all });
        Assert.Equal(Port.MaxCount, full.Ports.Length);
        ConfigurationException refused = Assert.Throws<ConfigurationException>(() => writer.Plan(new DesiredChange { Endpoints = [all[7] with { Interface = "eth1" }] }));
        Assert.Equal("pod.yaml:pod-0007: endpoint pod-0007: all 4096 ports are in use; delete endpoints first, then add", refused.Message);
    }
}
