using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Steering;

/// <summary>Several workers send what one would, and each flow is one worker's, in both directions.</summary>
public sealed class SteeringTests
{
    private const int StepCount = 1_500;

    /// <summary>Scenarios of the size of one table, of a port that one worker alone chooses, or that look into the sole worker's tables.</summary>
    private static readonly string[] s_others =
    [
        "BurstTests.The_frames_of_a_burst_are_those_that_come_one_by_one",
        "ConntrackTests.A_full_table_refuses_new_flows_and_serves_the_old",
        "ConntrackTests.A_SYN_*",
        "ConntrackTests.A_forgotten_flow_that_goes_on_is_a_new_one",
        "ConntrackTests.Counts_both_directions_and_what_the_sides_sent",
        "ConntrackStateTests.*",
        "EdgeTests.A_lost_mapping_is_made_again_by_the_flow_and_not_by_an_error",
        "EdgeTests.A_reopened_choice_lives_as_long_as_a_fresh_one",
        "EdgeTests.Errors_keep_neither_a_flow_nor_a_choice_alive",
        "EdgeTests.Where_a_flow_came_from_is_recorded",
        "FragmentTests.A_flood_finds_the_hold_full",
        "FragmentTests.Fragments_are_counted",
        "FragmentationTests.A_long_packet_is_cut_behind_the_translation",
        "IcmpAnswerTests.Each_port_has_a_bucket_for_each_kind",
        "MasqueradeTests.A_full_range_refuses_the_next_flow",
        "MasqueradeTests.Ids_of_echoes_are_kept_apart_and_restored",
        "NeighborTests.Packets_wait_for_an_unknown_neighbour_and_leave_in_order",
        "NeighborTests.Who_does_not_answer_three_times_loses_what_waits",
        "SnatPortTests.A_lost_mapping_*",
        "SnatPortTests.A_dead_flows_port_is_free",
        "SnatPortTests.A_mapping_to_a_former_address_is_made_anew",
    ];

    public static TheoryData<int, ulong> Histories
    {
        get
        {
            var data = new TheoryData<int, ulong>();
            foreach (int workerCount in (int[])[2, 3, 4, 16])
            {
                for (ulong seed = 1; seed <= 8; seed++)
                {
                    data.Add(workerCount, seed);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Histories))]
    public void Random_flows_of_every_kind_leave_as_from_one_worker_and_belong_to_one(int workerCount, ulong seed)
    {
        var history = new SteeringHistory(workerCount, seed);
        for (int i = 0; i < StepCount; i++)
        {
            history.Step();
        }

        history.AssertCovered();
    }

    [Theory]
    [InlineData(1, 3, 1)]
    [InlineData(2, 1, 2)]
    [InlineData(2, 3, 3)]
    [InlineData(3, 2, 4)]
    [InlineData(4, 16, 5)]
    [InlineData(16, 4, 6)]
    public void Flows_go_on_when_the_number_of_workers_changes(int before, int after, ulong seed)
    {
        var history = new SteeringHistory(before, seed);
        int displaced = 0;
        int kept = 0;
        foreach (int workerCount in (int[])[after, before, after, after])
        {
            for (int i = 0; i < StepCount / 4; i++)
            {
                history.Step();
            }

            (int lost, int gone) = history.Restart(workerCount);
            displaced += lost;
            kept += gone;
        }

        for (int i = 0; i < StepCount; i++)
        {
            history.Step();
        }

        history.AssertCovered();
        Assert.True(kept > 20 * displaced, $"{displaced} of {kept} flows were lost");
    }

    [Theory]
    [MemberData(nameof(Histories))]
    public void A_packet_that_waits_at_one_worker_leaves_when_another_hears_the_answer(int workerCount, ulong seed)
    {
        foreach (Family family in Enum.GetValues<Family>())
        {
            var node = new TestNode(seed, workerCount: workerCount);
            var m = new Mesh(family);
            IpAddress unknown = m.At("172.18.0.200");
            int held = 0;
            for (int port = 1000; held < 8; port++)
            {
                held += node.Send(TestNode.Host, TestPacket.Udp(m.Node, port, unknown, 53)).Verdict == Verdict.Held ? 1 : 0;
            }

            Delivery answered = node.Send(TestNode.Uplink, NeighborFrames.Reply(unknown, TestNode.MacOf(unknown), m.Node, TestNode.UplinkMac));
            Assert.Equal(Verdict.Consumed, answered.Verdict);
            Assert.Equal(8, answered.Outbox.Count(o => MacAddress.FromBytes(o.Frame) == TestNode.MacOf(unknown)));
            Assert.All(node.AllLive, live => Assert.Equal(0, live.Outbox.HeldCount));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(16)]
    public void Homes_are_even_the_same_both_ways_and_other_with_another_seed(int workerCount)
    {
        var homes = new FlowHomes(workerCount, [], 32768, seed: 1);
        var others = new FlowHomes(workerCount, [], 32768, seed: 2);
        int[] ports = new int[workerCount];
        int[] clients = new int[workerCount];
        int moved = 0;
        for (int port = 0; port < 65536; port++)
        {
            var key = new FlowKey(new IpAddress(1, (ulong)port), new IpAddress(2, 7), (ushort)(port & 0x7FFF), 443, IpProtocol.Tcp);
            ports[homes.OfPort((ushort)port)]++;
            clients[homes.OfClient(key.Source, key.SourcePort)]++;
            moved += homes.OfPort((ushort)port) != others.OfPort((ushort)port) ? 1 : 0;
            Assert.Equal(homes.OfEither(key), homes.OfEither(key.Reversed));
            Assert.Equal(homes.OfEcho(key with { Protocol = IpProtocol.Icmp }), homes.OfEcho(key.Reversed with { Protocol = IpProtocol.Icmp }));
        }

        Assert.All(ports, count => Assert.InRange(count, (65536 / workerCount) - 1, (65536 / workerCount) + 1));
        Assert.All(clients, count => Assert.InRange(count, 65536 / workerCount * 0.9, 65536 / workerCount * 1.1));
        Assert.InRange(moved, 65536 / 4, 65536);
    }

    /// <summary>A client whose port is one that SNAT may give away keeps it, as with one worker; the server's port is then no shared one.</summary>
    [Fact]
    public void A_clients_own_port_is_its_workers_to_give()
    {
        var homes = new FlowHomes(4, [], 32768, seed: 1);
        for (int port = 32768; port < 65536; port += 97)
        {
            var key = new FlowKey(new IpAddress(1, (ulong)port * 31), new IpAddress(2, 7), (ushort)port, 443, IpProtocol.Tcp);
            Assert.Equal(homes.OfPort((ushort)port), homes.OfEither(key));
            Assert.Equal(homes.OfPort((ushort)port), homes.OfClient(key.Source, key.SourcePort));
        }
    }

    [Fact]
    public void Backends_are_known_while_they_are_added()
    {
        var backends = new KnownBackends(seed: 3);
        for (uint i = 0; i < 100_000; i++)
        {
            Assert.Equal(KnownBackend.None, backends.Find(IpAddress.FromIpv4(i), (ushort)i, IpProtocol.Tcp));
            backends.Add(IpAddress.FromIpv4(i), (ushort)i, IpProtocol.Tcp, hasSessions: i % 2 == 0);
            backends.Add(IpAddress.FromIpv4(i), (ushort)i, IpProtocol.Tcp, hasSessions: false);
            Assert.Equal(i / 2 % 2 == 0 ? KnownBackend.WithSessions : KnownBackend.Plain, backends.Find(IpAddress.FromIpv4(i / 2), (ushort)(i / 2), IpProtocol.Tcp));
            Assert.Equal(KnownBackend.None, backends.Find(IpAddress.FromIpv4(i), (ushort)i, IpProtocol.Udp));
        }

        Assert.Equal(100_000, backends.Count);
    }

    [Theory]
    [InlineData("2")]
    [InlineData("3")]
    public void Scenarios_pass_with_several_workers(string workerCount)
    {
        Assert.SkipUnless(TestNode.WorkerCount == 1, "this is the process with several workers");
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo(Environment.ProcessPath!, "-namespace \"*Scenarios\" -namespace \"*Fuzz\" " + string.Join(' ', s_others.Select(s => $"-method- \"*.{s}\"")))
            {
                RedirectStandardOutput = true,
                Environment = { ["CMESH_WORKERS"] = workerCount },
            })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0 && output.Contains("Failed: 0", StringComparison.Ordinal), output);
    }
}
