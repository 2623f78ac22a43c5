using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>sessionAffinity: ClientIP, as bpf/lib/lb.h has it: who gets the same backend again, for how long, and what ends it.</summary>
public sealed class SessionAffinityTests
{
    private const uint Seconds = 100;
    private const int ConnectionCount = 1000;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void All_connections_of_a_client_meet_one_backend(Family family)
    {
        var s = new Scenario(family, new TestNode(conntrackCapacity: 8 * ConnectionCount));
        Apply(s, m => m.Webpod1, m => m.Webpod2, m => m.EastPod);
        Assert.Single(Enumerable.Range(0, ConnectionCount).Select(i => Open(s, 10_000 + i)).Distinct());
        Assert.Equal(1, s.Node.Live.Affinities.Count);
        Assert.Equal(3, Enumerable.Range(1, 200).Select(i => OpenFrom(s, i)).Distinct().Count());
        Assert.Equal(201, s.Node.Live.Affinities.Count);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Without_affinity_they_meet_all_and_nothing_is_kept(Family family)
    {
        var s = new Scenario(family);
        s.Node.Apply(new() { Services = [TestNode.Webpod(m => m.Webpod1, m => m.Webpod2, m => m.EastPod)] });
        Assert.Equal(3, Enumerable.Range(0, 100).Select(i => Open(s, 10_000 + i)).Distinct().Count());
        Assert.Equal(0, s.Node.Live.Affinities.Count);
    }

    /// <summary>Over when the last packet is as long ago as the timeout says, not a nanosecond before; every packet counts, also one of an old flow.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_session_ends_by_silence(Family family)
    {
        var s = new Scenario(family);
        Apply(s, m => m.Webpod1, m => m.Webpod2, m => m.EastPod);
        IpAddress[] before = [.. Enumerable.Range(1, 40).Select(i => OpenFrom(s, i))];
        TestPacket ack = Request(s, 1) with { Flags = TcpFlags.Ack };
        for (int i = 0; i < 4; i++)
        {
            s.Node.Wait(Seconds - 1);
            Assert.Equal(before[0], s.Sends(TestNode.Uplink, ack).Destination);
        }

        // The first client has been heard all along, the others never since.
        s.Node.Wait(Seconds - 0.001);
        Assert.Equal(before[0], s.Sends(TestNode.Uplink, Request(s, 1) with { SourcePort = 2222 }).Destination);
        Assert.NotEqual(before, Enumerable.Range(1, 40).Select(i => s.Sends(TestNode.Uplink, Request(s, i) with { SourcePort = 3333 }).Destination));

        // Now all of them are new; at the timeout to the nanosecond they are over.
        IpAddress[] again = [.. Enumerable.Range(1, 40).Select(i => s.Sends(TestNode.Uplink, Request(s, i) with { SourcePort = 4444 }).Destination)];
        s.Node.Now = new MonoTime(s.Node.Now.Nanoseconds + ((long)Seconds * 1_000_000_000) - 1);
        Assert.Equal(again[..20], Enumerable.Range(1, 20).Select(i => s.Sends(TestNode.Uplink, Request(s, i) with { SourcePort = 5555 }).Destination));
        s.Node.Now = new MonoTime(s.Node.Now.Nanoseconds + 1);
        Assert.NotEqual(again[20..], Enumerable.Range(21, 20).Select(i => s.Sends(TestNode.Uplink, Request(s, i) with { SourcePort = 5555 }).Destination));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_backend_that_goes_ends_the_session_and_its_return_does_not_begin_it_again(Family family)
    {
        var s = new Scenario(family);
        Func<Mesh, IpAddress>[] all = [m => m.Webpod1, m => m.Webpod2, m => m.EastPod];
        Apply(s, all);
        IpAddress first = Open(s, 10_000);
        Apply(s, [.. all.Where(b => b(s.Mesh) != first)]);
        IpAddress second = Open(s, 10_001);
        Assert.NotEqual(first, second);
        Apply(s, all);
        Assert.All(Enumerable.Range(0, 50), i => Assert.Equal(second, Open(s, 11_000 + i)));

        // Its flow moves with the removal, and stays where it went.
        Assert.NotEqual(first, s.Sends(TestNode.Curl, Connection(s, 10_000) with { Flags = TcpFlags.Ack }).Destination);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_terminating_backend_keeps_the_flow_and_loses_the_session(Family family)
    {
        var s = new Scenario(family);
        Func<Mesh, IpAddress>[] all = [m => m.Webpod1, m => m.Webpod2];
        Apply(s, all);
        IpAddress first = Open(s, 10_000);
        s.Node.Apply(new()
        {
            Services =
            [
                TestNode.Webpod(all) with
                {
                    AffinitySeconds = Seconds,
                    Backends = [.. TestNode.Webpod(all).Backends.Select(b => b.Address == first ? b with { State = BackendState.Terminating } : b)],
                },
            ],
        });
        IpAddress second = Open(s, 10_001);
        Assert.NotEqual(first, second);
        Assert.Equal(first, s.Sends(TestNode.Curl, Connection(s, 10_000) with { Flags = TcpFlags.Ack }).Destination);

        // Cilium notes the backend of every packet, also of the old flow's; that one takes no new flows.
        Assert.Equal(second, Open(s, 10_002));
        Assert.Equal(second, Open(s, 10_003));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Each_frontend_has_its_own_sessions(Family family)
    {
        var s = new Scenario(family);
        Apply(s, m => m.Webpod1, m => m.Webpod2, m => m.EastPod);
        Open(s, 10_000);
        s.Sends(TestNode.Curl, Connection(s, 10_000) with { Destination = s.Mesh.Node, DestinationPort = 30080 });
        Assert.Equal(2, s.Node.Live.Affinities.Count);
    }

    /// <summary>With Maglev all nodes know a client's backend without having met it: the port is left out of the hash.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void With_maglev_a_client_has_the_same_backend_on_every_node(Family family)
    {
        IpAddress[][] choices = [.. ((ulong[])[1, 2]).Select(seed =>
        {
            var s = new Scenario(family, new TestNode(seed));
            s.Node.Apply(new() { Services = [TestNode.Webpod(m => m.Webpod1, m => m.Webpod2, m => m.EastPod) with { AffinitySeconds = Seconds, Algorithm = LoadBalancingAlgorithm.Maglev }] });
            return Enumerable.Range(1, 60).Select(i => s.Sends(TestNode.Uplink, Request(s, i) with { SourcePort = (ushort)(seed * 1000) }).Destination).ToArray();
        })];
        Assert.Equal(choices[0], choices[1]);
        Assert.Equal(3, choices[0].Distinct().Count());
    }

    private static void Apply(Scenario s, params Func<Mesh, IpAddress>[] backends) =>
        s.Node.Apply(new() { Services = [TestNode.Webpod(backends) with { AffinitySeconds = Seconds }] });

    private static TestPacket Connection(Scenario s, int port) => TestPacket.Tcp(s.Mesh.CurlPod, port, s.Mesh.ClusterIp, 80, TcpFlags.Syn);

    private static IpAddress Open(Scenario s, int port) => s.Sends(TestNode.Curl, Connection(s, port)).Destination;

    private static TestPacket Request(Scenario s, int client) => TestPacket.Tcp(s.Mesh.At($"203.0.113.{client}"), 1111, s.Mesh.Node, 30080, TcpFlags.Syn);

    private static IpAddress OpenFrom(Scenario s, int client) => s.Sends(TestNode.Uplink, Request(s, client)).Destination;
}
