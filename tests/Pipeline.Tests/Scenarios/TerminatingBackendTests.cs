using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>A backend that is about to go: its flows stay, the others go elsewhere, and with nobody else it serves on.</summary>
public sealed class TerminatingBackendTests
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

    private static ServiceSpec Terminating(ServiceSpec service, Mesh mesh) => service with
    {
        Backends = [.. service.Backends.Select(b => b.Address == mesh.Webpod1 ? b with { State = BackendState.Terminating } : b)],
    };
}
