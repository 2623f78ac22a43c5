using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>New flows of a port that does not run dry are given up beyond a rate that follows what the worker can take; established ones go on.</summary>
public sealed class NewFlowGateTests
{
    private const int LeastRate = 1000;

    /// <summary>What 5 ms let pass at once.</summary>
    private const int LeastBurst = (LeastRate * 5 / 1000) + 1;

    private const int Plenty = 100_000;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Established_flows_and_other_ports_notice_nothing(Family family)
    {
        Scenario s = Gated(family);
        TestPacket syn = TestPacket.Tcp(s.Mesh.Outside, 1024, s.Mesh.Node, 30080, TcpFlags.Syn);
        s.Sends(TestNode.Uplink, syn);
        Behind(s, TestNode.Uplink);
        int passed = Passed(s, LeastBurst + 50);
        Assert.Equal(LeastBurst, passed);
        Assert.Equal((50ul, 50ul), (s.Node.Live.Conntrack.Gate!.GivenUpCount, s.Node.DropPackets(DropReason.NewFlowGivenUp)));

        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Outside, 1024, s.Mesh.Node, 30080, TcpFlags.Ack));
        for (int i = 0; i < 100; i++)
        {
            s.Sends(TestNode.Curl, TestPacket.Udp(s.Mesh.CurlPod, (ushort)(2000 + i), s.Mesh.Webpod1, 53));
        }
    }

    [Fact]
    public void A_port_that_runs_dry_in_time_is_not_behind()
    {
        Scenario s = Gated(Family.Ipv4);
        NewFlowGate gate = s.Node.Live.Conntrack.Gate!;
        int port = s.Node.State.Ports[TestNode.Uplink].Id;
        for (int i = 0; i < Plenty; i++)
        {
            gate.Note(port, 33, isDry: i % 50 == 49);
        }

        Assert.False(gate.IsClosed(port));
        Assert.Equal(200, Passed(s, 200));
    }

    /// <summary>A quarter more every 100 ms; when the port does not run dry again, half, and never less than the least.</summary>
    [Fact]
    public void The_rate_follows_what_the_worker_can_take()
    {
        Scenario s = Gated(Family.Ipv4);
        Behind(s, TestNode.Uplink);
        int first = PassedInASecond(s);
        Assert.InRange(first, LeastRate * 2, LeastRate * 6); // 1.25^9 = 7.5 times the least at its end
        int second = PassedInASecond(s);
        Assert.InRange(second, first * 6, first * 12); // 1.25^10 = 9.3

        Behind(s, TestNode.Uplink);
        int halved = PassedIn(s, milliseconds: 90);
        s.Node.Wait(0.02);
        Behind(s, TestNode.Uplink);
        int quartered = PassedIn(s, milliseconds: 90);
        Assert.InRange(quartered, halved * 4 / 10, halved * 7 / 10);
        for (int i = 0; i < 30; i++)
        {
            s.Node.Wait(0.02);
            Behind(s, TestNode.Uplink);
            Passed(s, 1);
        }

        Assert.InRange(PassedIn(s, milliseconds: 90), LeastRate * 9 / 100, (LeastRate * 9 / 100) + LeastBurst);
    }

    [Fact]
    public void It_opens_when_a_second_went_by_without_anything_given_up()
    {
        Scenario s = Gated(Family.Ipv4);
        Behind(s, TestNode.Uplink);
        Assert.Equal(LeastBurst, Passed(s, 500));
        s.Node.Wait(0.9);
        Assert.InRange(Passed(s, 500), LeastBurst, 499);
        s.Node.Wait(1.1);
        Assert.Equal(500, Passed(s, 500));
        Assert.False(s.Node.Live.Conntrack.Gate!.IsClosed(s.Node.State.Ports[TestNode.Uplink].Id));
    }

    [Fact]
    public void By_option_nothing_is_given_up()
    {
        var s = new Scenario(Family.Ipv4, new TestNode(local: l => l with { Flows = new FlowOptions { NewFlowsUnderLoad = 0 } }, workerCount: 1));
        Assert.Null(s.Node.Live.Conntrack.Gate);
        Assert.Equal(500, Passed(s, 500));
    }

    private static Scenario Gated(Family family) =>
        new(family, new TestNode(conntrackCapacity: 65_536, snatCapacity: 65_536, local: l => l with { Flows = new FlowOptions { NewFlowsUnderLoad = LeastRate } }, workerCount: 1));

    private static void Behind(Scenario s, string port) => s.Node.Live.Conntrack.Gate!.Note(s.Node.State.Ports[port].Id, Plenty, isDry: false);

    /// <summary>How many of so many clients, each another, are let in now.</summary>
    private static int Passed(Scenario s, int count)
    {
        ulong before = s.Node.Live.Conntrack.Gate?.GivenUpCount ?? 0;
        for (int i = 0; i < count; i++)
        {
            uint client = (uint)s.Node.Live.Random.Next();
            TestPacket syn = TestPacket.Tcp(s.Mesh.At($"203.0.{client >> 8 & 0xFF}.{client & 0xFF}"), (ushort)(client >> 16 | 1), s.Mesh.Node, 30080, TcpFlags.Syn);
            s.Node.Send(TestNode.Uplink, syn);
        }

        return count - (int)((s.Node.Live.Conntrack.Gate?.GivenUpCount ?? 0) - before);
    }

    private static int PassedInASecond(Scenario s) => PassedIn(s, 1000);

    /// <summary>Of more than may pass, at each millisecond.</summary>
    private static int PassedIn(Scenario s, int milliseconds)
    {
        int passed = 0;
        for (int i = 0; i < milliseconds; i++)
        {
            s.Node.Wait(0.001);
            passed += Passed(s, 100);
        }

        return passed;
    }
}
