using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>A backend that is about to go: its flows stay, the others go elsewhere, and with nobody else it serves on.</summary>
public sealed class BackendStateTests
{
    private const int Client = 40001;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Flows_that_exist_stay_and_new_ones_go_elsewhere(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket toFirst = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80);
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod1)] });
        s.Forwards(TestNode.Curl, toFirst, TestNode.Web1, toFirst.Hopped() with { Destination = m.Webpod1 });

        s.Node.Apply(new() { Services = [Terminating(TestNode.Webpod(x => x.Webpod1, x => x.Webpod2), m)] });
        s.Forwards(TestNode.Curl, toFirst, TestNode.Web1, toFirst.Hopped() with { Destination = m.Webpod1 });
        for (int port = 1; port <= 20; port++)
        {
            TestPacket other = TestPacket.Tcp(m.CurlPod, Client + port, m.ClusterIp, 80, TcpFlags.Syn);
            s.Forwards(TestNode.Curl, other, TestNode.Web2, other.Hopped() with { Destination = m.Webpod2 });
        }

        // The same client port begins anew: no longer with the one that goes.
        TestPacket again = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, again, TestNode.Web2, again.Hopped() with { Destination = m.Webpod2 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void With_no_active_backend_the_terminating_one_serves_on(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [Terminating(TestNode.Webpod(x => x.Webpod1), m)] });
        TestPacket syn = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, syn, TestNode.Web1, syn.Hopped() with { Destination = m.Webpod1 });
    }

    /// <summary>Whatever is wrong with a backend: its flows stay, a SYN of theirs and new flows go elsewhere.</summary>
    [Theory]
    [MemberData(nameof(FamiliesAndStates))]
    public void Flows_stay_with_a_backend_that_takes_no_new_ones(Family family, BackendState state)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket tcp = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80);
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod1)] });
        s.Forwards(TestNode.Curl, tcp, TestNode.Web1, tcp.Hopped() with { Destination = m.Webpod1 });

        s.Node.Apply(new() { Services = [InState(TestNode.Webpod(x => x.Webpod1, x => x.Webpod2), m, state)] });
        s.Forwards(TestNode.Curl, tcp, TestNode.Web1, tcp.Hopped() with { Destination = m.Webpod1 });
        for (int port = 1; port <= 20; port++)
        {
            TestPacket other = TestPacket.Tcp(m.CurlPod, Client + port, m.ClusterIp, 80, TcpFlags.Syn);
            s.Forwards(TestNode.Curl, other, TestNode.Web2, other.Hopped() with { Destination = m.Webpod2 });
        }

        // Alone, it keeps its flows still; whether it gets new ones depends on whether it serves.
        s.Node.Apply(new() { Services = [InState(TestNode.Webpod(x => x.Webpod1), m, state)] });
        s.Forwards(TestNode.Curl, tcp, TestNode.Web1, tcp.Hopped() with { Destination = m.Webpod1 });
        TestPacket alone = TestPacket.Tcp(m.CurlPod, Client + 50, m.ClusterIp, 80, TcpFlags.Syn);
        if (state == BackendState.Terminating)
        {
            s.Forwards(TestNode.Curl, alone, TestNode.Web1, alone.Hopped() with { Destination = m.Webpod1 });
        }
        else
        {
            s.Drops(TestNode.Curl, alone, DropReason.NoBackend);
            s.Drops(TestNode.Curl, tcp with { Flags = TcpFlags.Syn }, DropReason.NoBackend);
        }
    }

    /// <summary>Removed and back again at the same address, a backend is another one: old flows have moved, and do not come back by themselves.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_removed_backend_is_not_used_by_its_old_flows_when_it_is_back(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        TestPacket tcp = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80);
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod1)] });
        s.Forwards(TestNode.Curl, tcp, TestNode.Web1, tcp.Hopped() with { Destination = m.Webpod1 });
        s.Node.Apply(new() { Services = [TestNode.Webpod(x => x.Webpod2)] });
        s.Node.Apply(new() { Services = [InState(TestNode.Webpod(x => x.Webpod1, x => x.Webpod2), m, BackendState.Quarantined)] });
        s.Forwards(TestNode.Curl, tcp, TestNode.Web2, tcp.Hopped() with { Destination = m.Webpod2 });
    }

    /// <summary>A mesh service that prefers its own cluster: existing flows stay where they are, new ones go where it prefers.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Affinity_moves_new_flows_only(Family family)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        ServiceSpec remote = TestNode.Webpod(x => x.EastPod);
        remote = remote with { IsGlobal = true, Affinity = ClusterAffinity.Local, Backends = [.. remote.Backends.Select(b => b with { Cluster = "east" })] };
        s.Node.Apply(new() { Services = [remote] });
        TestPacket tcp = TestPacket.Tcp(m.CurlPod, Client, m.ClusterIp, 80, TcpFlags.Syn);
        s.Forwards(TestNode.Curl, tcp, m.EastWorker, tcp.Hopped() with { Destination = m.EastPod });

        s.Node.Apply(new() { Services = [remote with { Backends = [.. remote.Backends, .. TestNode.Webpod(x => x.Webpod1).Backends] }] });
        s.Forwards(TestNode.Curl, tcp, m.EastWorker, tcp.Hopped() with { Destination = m.EastPod });
        for (int port = 1; port <= 20; port++)
        {
            TestPacket other = tcp with { SourcePort = (ushort)(Client + port) };
            s.Forwards(TestNode.Curl, other, TestNode.Web1, other.Hopped() with { Destination = m.Webpod1 });
        }
    }

    public static TheoryData<Family, BackendState> FamiliesAndStates
    {
        get
        {
            var data = new TheoryData<Family, BackendState>();
            foreach (BackendState state in Enum.GetValues<BackendState>().Where(state => state != BackendState.Active))
            {
                data.Add(Family.Ipv4, state);
                data.Add(Family.Ipv6, state);
            }

            return data;
        }
    }

    private static ServiceSpec Terminating(ServiceSpec service, Mesh mesh) => InState(service, mesh, BackendState.Terminating);

    private static ServiceSpec InState(ServiceSpec service, Mesh mesh, BackendState state) => service with
    {
        Backends = [.. service.Backends.Select(b => b.Address == mesh.Webpod1 ? b with { State = state } : b)],
    };
}
