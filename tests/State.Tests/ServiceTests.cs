using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>Frontends and backends as compiled: families, NodePorts, and ids that flows can rely on.</summary>
public sealed class ServiceTests
{
    [Fact]
    public void A_NodePort_stands_on_every_address_of_the_node_and_families_are_split()
    {
        StateWriter writer = Wanted.Writer(Wanted.DualStack);
        Snapshot after = writer.Apply(Wanted.Service("web", "10.2.0.1:80 [fd00:2::1]:80 node:30080", "10.0.1.5:80 [fd00:10:0:1::5]:80 10.1.1.2:8080"));
        Assert.Equal("10.0.1.5:80 10.1.1.2:8080", after.Frontend("10.2.0.1:80").Backends());
        Assert.Equal("[fd00:10:0:1::5]:80", after.Frontend("[fd00:2::1]:80").Backends());
        Assert.Equal("10.0.1.5:80 10.1.1.2:8080", after.Frontend("172.18.0.5:30080").Backends());
        Assert.Equal("[fd00:10:0:1::5]:80", after.Frontend("[fc00:f853::5]:30080").Backends());
        Assert.Equal(ServiceType.NodePort, after.Frontend("172.18.0.5:30080").Type);
        Assert.Equal(ServiceType.ClusterIP, after.Frontend("10.2.0.1:80").Type);
        // And on 0.0.0.0 and ::, as Cilium lists it.
        Assert.Equal("10.0.1.5:80 10.1.1.2:8080", after.Frontend("0.0.0.0:30080").Backends());
        Assert.Equal("[fd00:10:0:1::5]:80", after.Frontend("[::]:30080").Backends());
        Assert.Equal((6, 3), (writer.FrontendCount, writer.BackendCount));
        Assert.Equal(6, writer.FrontendsOf("web").Count);
        Assert.False(after.Services.TryFind(Wanted.Host("10.2.0.1:80"), 80, IpProtocol.Udp, out _));
    }

    [Fact]
    public void A_frontend_keeps_its_id_whatever_becomes_of_the_others()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(Wanted.Service("a", "10.2.0.1:80", "10.0.1.5:80"), Wanted.Service("b", "10.2.0.2:80", "10.0.1.6:80"));
        uint a = writer.Current.Frontend("10.2.0.1:80").Id;
        uint b = writer.Current.Frontend("10.2.0.2:80").Id;

        // Other backends, another protocol beside it, an earlier one removed, a further frontend, another service's name.
        writer.Apply(Wanted.Service("b", "10.2.0.2:80", "10.0.1.7:80"));
        writer.Apply(Wanted.Service("c", "10.2.0.2:80", protocol: IpProtocol.Udp));
        writer.Delete(ObjectKind.Service, "a");
        writer.Apply(Wanted.Service("b", "10.2.0.3:80 10.2.0.2:80", "10.0.1.7:80"));
        Snapshot after = writer.Apply(new DesiredChange { Replace = true, Services = [Wanted.Service("d", "10.2.0.2:80", "10.0.1.8:80")] });
        Assert.Equal(b, after.Frontend("10.2.0.2:80").Id);
        Assert.Equal("10.0.1.8:80", after.Frontend("10.2.0.2:80").Backends());
        Assert.NotEqual(a, b);
        Assert.Equal(1, writer.FrontendCount);
    }

    [Fact]
    public void A_stale_rev_NAT_id_never_finds_a_newer_frontend()
    {
        StateWriter writer = Wanted.Writer();
        var seen = new HashSet<uint>();

        // One slot, used more often than a generation has numbers.
        for (int i = 0; i < 10_000; i++)
        {
            string at = $"10.2.{i / 250}.{i % 250}:80";
            uint id = writer.Apply(new DesiredChange { Replace = true, Services = [Wanted.Service("web", at)] }).Frontend(at).Id;
            Assert.True(seen.Add(id), $"frontend {at} got the id {id} of an earlier one");
            Assert.True(writer.Current.Services.TryGet(id, out _));
        }

        Assert.Equal(1, seen.Count(id => writer.Current.Services.TryGet(id, out _)));
        Assert.DoesNotContain(0u, seen);
    }

    [Fact]
    public void A_backend_keeps_its_id_while_any_service_has_it_and_it_is_never_given_away()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(Wanted.Service("a", "10.2.0.1:80", "10.0.1.5:80"), Wanted.Service("b", "10.2.0.2:80", "10.0.1.5:80 10.0.1.6:80"));
        uint five = writer.Current.Frontend("10.2.0.1:80").Backends[0].Id;
        Assert.Equal(five, writer.Current.Frontend("10.2.0.2:80").Backends[0].Id);
        uint six = writer.Current.Frontend("10.2.0.2:80").Backends[1].Id;

        writer.Delete(ObjectKind.Service, "a");
        Assert.Equal(five, writer.Current.Frontend("10.2.0.2:80").Backends[0].Id);

        // It moves to another service in one change: the same backend still.
        writer.Apply(new DesiredChange { Replace = true, Services = [Wanted.Service("c", "10.2.0.3:80", "10.0.1.5:80")] });
        Assert.Equal(five, writer.Current.Frontend("10.2.0.3:80").Backends[0].Id);
        Assert.Equal(1, writer.BackendCount);

        // Gone and back again: a new one, as is another port or protocol of the address.
        writer.Apply(Wanted.Service("c", "10.2.0.3:80"));
        writer.Apply(
            Wanted.Service("c", "10.2.0.3:80", "10.0.1.5:80 10.0.1.6:80 10.0.1.5:81"), Wanted.Service("udp", "10.2.0.3:80", "10.0.1.5:80", IpProtocol.Udp));
        uint[] later = [.. writer.Current.Frontend("10.2.0.3:80").Backends.Concat(writer.Current.Frontend("10.2.0.3:80", IpProtocol.Udp).Backends).Select(b => b.Id)];
        Assert.Equal(4, later.Except([five, six]).Count());
    }

    [Fact]
    public void A_change_of_backends_leaves_older_snapshots_alone()
    {
        StateWriter writer = Wanted.Writer();
        Snapshot old = writer.Apply(Wanted.Service("a", "10.2.0.1:80", "10.0.1.5:80"), Wanted.Service("b", "10.2.0.2:80"));
        Snapshot next = writer.Apply(Wanted.Service("a", "10.2.0.1:80", "10.0.1.6:80"));
        Assert.Equal("10.0.1.5:80", old.Frontend("10.2.0.1:80").Backends());
        Assert.Equal("10.0.1.6:80", next.Frontend("10.2.0.1:80").Backends());
        Assert.True(next.Services.TryGet(next.Frontend("10.2.0.1:80").Id, out Frontend? byId));
        Assert.Equal("10.0.1.6:80", byId!.Backends());
    }

    [Fact]
    public void A_frontend_changes_its_type_in_place()
    {
        StateWriter writer = Wanted.Writer();
        uint id = writer.Apply(Wanted.Service("a", "node:30080", "10.0.1.5:80")).Frontend("172.18.0.5:30080").Id;
        Frontend after = writer.Apply(Wanted.Service("a", "172.18.0.5:30080", "10.0.1.5:80")).Frontend("172.18.0.5:30080");
        Assert.Equal((id, ServiceType.ClusterIP), (after.Id, after.Type));
    }
}
