using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Nodes that forward with several threads. All other tests of the forwarder run with as many workers as CMESH_WORKERS says.</summary>
public sealed class WorkersTests
{
    private const int ConnectionCount = 60;

    public static TheoryData<int, string> Nodes => new() { { 2, "io_uring" }, { 3, "io_uring" }, { 2, "readiness" }, { 3, "readiness --spin 200" } };

    [Theory]
    [MemberData(nameof(Nodes))]
    public async Task Flows_of_every_kind_pass_and_every_worker_has_some(int workerCount, string engine)
    {
        using World world = new();
        using ForwarderProcess forwarder = await StartAsync(world, $"--workers {workerCount} --engine {engine}");
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.12:8080"), Change.Service("default/node", "30080", "10.0.1.12:8080"));
        using Socket inside = world.Listen("b", 8080);
        using Socket outside = world.Listen("world", 9090);
        for (int i = 0; i < ConnectionCount; i++)
        {
            Assert.Equal("10.0.1.11", world.Connect("a", "10.2.0.1", 80, inside));
            Assert.Equal("10.0.1.11", world.Connect("a", "10.0.1.12", 8080, inside));
            Assert.Equal("172.18.0.5", world.Connect("a", World.WorldAddress, 9090, outside));
            Assert.Equal(World.WorldAddress, world.Connect("world", "172.18.0.5", 30080, inside));
            Assert.Equal("172.18.0.5", world.Connect("host", "10.2.0.1", 80, inside));
            Assert.Equal("172.18.0.5", world.Connect("host", World.WorldAddress, 9090, outside));
        }

        foreach ((string from, string to) in ((string, string)[])[("a", "10.0.1.12"), ("a", World.WorldAddress), ("world", "172.18.0.5"), ("host", "10.0.1.11")])
        {
            Assert.True(world.Ping(from, to), $"{from} to {to}");
        }

        // A pod that comes later has its queues too.
        await client.MergeAsync(world.Endpoint("c", "10.0.1.13"));
        Assert.True(world.Ping("a", "10.0.1.13"));
        Assert.True(world.Ping("c", World.WorldAddress));

        StatusReport status = await client.GetStatusAsync();
        Assert.Equal(Enumerable.Range(0, workerCount).Select(i => $"worker-{i}"), status.Workers.Select(w => w.Name));
        Assert.All(status.Workers, w => Assert.True(w.ForwardedPackets > 0 && w.ConntrackEntries > 0 && w.SnatEntries > 0, w.ToString()));
        Assert.True(status.Workers.Sum(w => (long)w.HandedOverPackets) > 0);
        Assert.Equal(status.ForwardedPackets, status.Workers.Aggregate(0ul, (sum, w) => sum + w.ForwardedPackets));
        Assert.Equal((65536 + workerCount - 1) / workerCount * workerCount, status.Conntrack.Capacity);
        List<ConntrackRow> flows = await client.ListAsync(ControlKinds.Conntrack).ToListAsync();
        Assert.Equal(ConnectionCount, flows.Count(f => f is { Protocol: "TCP", Direction: "OUT", Destination: "172.18.0.1:9090" } && f.Source.StartsWith("10.0.1.11:", StringComparison.Ordinal)));
        Assert.Equal(status.Workers.Sum(w => w.SnatEntries), (await client.ListAsync(ControlKinds.Snat).ToListAsync()).Count);
        Assert.Single(await client.ListAsync(ControlKinds.Neighbor).ToListAsync(), n => n.Address == World.WorldAddress);
        Assert.DoesNotContain(await client.ListAsync(ControlKinds.Counter).ToListAsync(), c => c.Scope == "drop" && c.Name.StartsWith("Worker is busy", StringComparison.Ordinal));
        Assert.Equal("", forwarder.Errors);
    }

    /// <summary>Both directions of a flow are one worker's: its packets are in one entry, and the pages of a list show each entry once.</summary>
    [Fact]
    public async Task A_flow_has_one_entry_and_a_list_of_several_tables_has_pages()
    {
        using World world = new();
        using ForwarderProcess forwarder = await StartAsync(world, "--workers 3");
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Socket listener = world.Listen("b", 8080);
        for (int i = 0; i < ConnectionCount; i++)
        {
            world.Connect("a", "10.0.1.12", 8080, listener);
        }

        ConntrackRow[] rows = [.. (await client.ListAsync(ControlKinds.Conntrack).ToListAsync()).Where(f => f.Destination == "10.0.1.12:8080")];
        Assert.Equal(ConnectionCount, rows.Length);
        Assert.All(rows, row => Assert.True(row.TxFlagsSeen != 0 && row.RxFlagsSeen != 0, row.ToString()));
        Assert.Equal(rows.Length, rows.Select(r => r.Source).Distinct().Count());
    }

    [Fact]
    public async Task One_worker_has_no_queues_and_several_have_them()
    {
        using World world = new();
        foreach ((string arguments, bool hasQueues) in ((string, bool)[])[("--workers 1", false), ("--workers 2", true)])
        {
            using ForwarderProcess forwarder = await StartAsync(world, arguments);
            foreach ((string ns, string device) in ((string, string)[])[("a", "eth0"), ("host", "eth0"), ("net", "west-worker")])
            {
                Assert.Equal(hasQueues, world.Ip(ns, $"-d link show dev {device}").Contains("numqueues 2", StringComparison.Ordinal));
            }

            forwarder.Signal("TERM");
            Assert.Equal(0, await forwarder.EndAsync());
            Assert.False(world.HasInterface("a", "eth0") || world.HasInterface("net", "west-worker"));
        }
    }

    [Fact]
    public async Task Killed_it_leaves_nothing_that_hinders_the_next()
    {
        using World world = new();
        using (ForwarderProcess killed = await StartAsync(world, "--workers 3"))
        {
            Assert.True(world.Ping("a", World.WorldAddress));
            killed.Signal("KILL");
            await killed.EndAsync();
        }

        using ForwarderProcess next = await StartAsync(world, "--workers 2");
        Assert.True(world.Ping("a", World.WorldAddress));
    }

    /// <summary>A device that goes under the queues of all workers is down, and up again when it is applied anew.</summary>
    [Fact]
    public async Task A_lost_device_is_down_for_all_and_comes_back_for_all()
    {
        using World world = new();
        using ForwarderProcess forwarder = await StartAsync(world, "--workers 2");
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(world.Endpoint("c", "10.0.1.13"));
        world.Ip("c", "link del eth0");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while ((await client.ListAsync(ControlKinds.Endpoint).ToListAsync(limit.Token)).Single(e => e.Name == "default/c").State == "up")
        {
            limit.Token.ThrowIfCancellationRequested();
        }

        Assert.Equal(1, (await client.MergeAsync(world.Endpoint("c", "10.0.1.13"))).Changed);
        Assert.True(world.Ping("a", "10.0.1.13"));
        Assert.True(world.Ping("c", World.WorldAddress));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("17")]
    [InlineData("two")]
    [InlineData("-1")]
    public async Task A_number_of_workers_that_cannot_be_is_refused(string count)
    {
        using World world = new();
        Assert.Equal(
            (2, "", $"cmesh-forwarder: --workers {count}: give a number from 1 to 16\n"),
            await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()} --workers {count}"));
    }

    /// <summary>What these tests say of traffic, devices, offloads and links holds however many workers there are.</summary>
    [Fact]
    public async Task The_tests_of_traffic_pass_with_two_workers()
    {
        Assert.SkipUnless(ForwarderProcess.Workers == "1", "this is the process with several workers");
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo(Environment.ProcessPath!, "-class \"*.TrafficTests\" -class \"*.DeviceLossTests\" -class \"*.OffloadTests\" -class \"*.SharedMemoryUplinkTests\"")
            {
                RedirectStandardOutput = true,
                Environment = { ["CMESH_WORKERS"] = "2" },
            })!;
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0 && output.Contains("Failed: 0", StringComparison.Ordinal), output);
    }

    private static Task<ForwarderProcess> StartAsync(World world, string options) =>
        ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} {options}", world.SocketPath);
}
