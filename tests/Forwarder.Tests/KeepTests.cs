using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Mesh.Tests;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A node that is started with --keep, killed and started again: flows, pods' links and what was applied go on.</summary>
public sealed class KeepTests
{
    private static async Task KillAsync(ForwarderProcess forwarder)
    {
        forwarder.Signal("KILL");
        await forwarder.EndAsync();
        forwarder.Dispose();
    }

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Two_hundred_connections_survive_a_kill()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path}";
        ForwarderProcess killed = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        await ApplyServiceAsync(world);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b");
        string links = Links(world);
        Task<TimeSpan> gap = connections.LongestGapAsync();
        await KillAsync(killed);
        Assert.Equal(links, Links(world));
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        await connections.EchoAllAsync().WaitAsync(s_limit);
        connections.EndMeasuring();
        TestContext.Current.SendDiagnosticMessage($"longest gap {(await gap).TotalMilliseconds:0} ms");
        Assert.Equal(0, connections.LostCount);
        Assert.Equal(links, Links(world));
        Assert.Matches(@"flow tables \S+ taken up in \S+ ms, generation 2: [34]\d\d flows and 1\d\d SNAT mappings go on; 0 entries were over, 0 of pods or services that are gone, 0 without their counterpart, \d broken", next.Errors);

        // New flows too, to what was applied while the first process ran.
        await using EchoConnections more = await EchoConnections.OpenAsync(world, "world", "b", port: 1);
        await more.EchoAllAsync().WaitAsync(s_limit);
    }

    /// <summary>A neighbour that answers no question is reached by the next process, too, but only by what the one before it has left.</summary>
    [Fact]
    public async Task Neighbours_survive_a_kill()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path}";
        string neighbors = Path.Combine(keep.Path, "west.west-worker.neighbors");
        ForwarderProcess first = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        Assert.True(world.Ping("a", World.WorldAddress));
        await Eventually.TrueAsync(() => File.ReadAllText(neighbors).Contains(World.WorldAddress, StringComparison.Ordinal), () => File.ReadAllText(neighbors));
        await KillAsync(first);
        Command.Run("ip", $"netns exec {world.Namespace("world")} sysctl -q -w net.ipv4.conf.all.arp_ignore=8");
        ForwarderProcess second = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        Assert.True(world.Ping("a", World.WorldAddress));
        await KillAsync(second);
        File.Delete(neighbors);
        using ForwarderProcess third = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        Assert.False(world.Ping("a", World.WorldAddress));
    }

    [Theory]
    [InlineData("io_uring")]
    [InlineData("readiness")]
    public async Task A_takeover_loses_no_connection_and_no_packet(string engine)
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path} --engine {engine}";
        using ForwarderProcess old = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        await ApplyServiceAsync(world);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b");
        string links = Links(world);
        using PacedDatagrams datagrams = new(world, "a", "world", World.WorldAddress);
        await datagrams.StartedAsync.WaitAsync(s_limit);
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, arguments + " --takeover", world.SocketPath);
        Assert.Equal(0, await old.EndAsync());
        await connections.EchoAllAsync().WaitAsync(s_limit);
        (long sent, long received) = await datagrams.EndAsync();
        TestContext.Current.SendDiagnosticMessage($"{engine}: {sent} datagrams; {next.Errors}");
        Assert.Equal(0, connections.LostCount);
        Assert.Equal(links, Links(world));
        Assert.Equal(sent, received);
        Assert.Contains("took over from process", next.Errors);
        Assert.Equal("", old.Errors);

        // And it can be taken over, killed and stopped as any other.
        using ForwarderProcess third = await ForwarderProcess.StartAsync(world, arguments + " --takeover", world.SocketPath);
        await connections.EchoAllAsync().WaitAsync(s_limit);
        Assert.Equal(0, connections.LostCount);
        third.Signal("TERM");
        Assert.Equal(0, await third.EndAsync());
        Assert.Empty(keep.Files);
    }

    [Fact]
    public async Task A_takeover_that_cannot_be_leaves_the_other_forwarder_as_it_is()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--keep {keep.Path} --takeover";
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()} {arguments}");
        Assert.Equal(1, code);
        Assert.Contains(world.SocketPath, errors);
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --keep {keep.Path}", world.SocketPath);
        string links = Links(world);
        string other = world.NodeFile("routing: {mtu: 1400}", "other.yaml");
        (code, _, errors) = await ForwarderProcess.RunAsync(world, $"--config {other} {arguments}");
        Assert.Equal(1, code);
        Assert.Matches(@"interface \S+ in namespace \S+ is not set up as this forwarder wants it \(its settings in the node file differ\), and cannot be taken over; the other forwarder goes on", errors);
        Assert.Equal(links, Links(world));
        await ApplyServiceAsync(world);
        Assert.True(world.Ping("a", "10.0.1.12"));
        (code, _, errors) = await ForwarderProcess.RunAsync(world, $"--config {other} {arguments}");
        Assert.Equal(1, code);
        Assert.Contains("it is not the node file that the other forwarder runs with, to which things were applied that would be lost; that one goes on", errors);
        Assert.Equal(["west.west-worker.config", "west.west-worker.flows", "west.west-worker.keeper", "west.west-worker.neighbors"], keep.Files);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Equal("", forwarder.Errors);
    }

    [Fact]
    public async Task A_node_that_is_stopped_leaves_nothing()
    {
        using World world = new();
        using KeepDirectory keep = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --keep {keep.Path}", world.SocketPath);
        Assert.Equal(["west.west-worker.config", "west.west-worker.flows", "west.west-worker.keeper", "west.west-worker.neighbors"], keep.Files);
        forwarder.Signal("TERM");
        Assert.Equal(0, await forwarder.EndAsync());
        Assert.Empty(keep.Files);
        Assert.False(world.HasInterface("a", "eth0"));
        Assert.Equal("", forwarder.Errors);
    }

    [Fact]
    public async Task What_cannot_be_believed_is_set_aside()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string file = Path.Combine(keep.Path, "west.west-worker.flows");
        await File.WriteAllTextAsync(file, new string('x', 100_000), TestContext.Current.CancellationToken);
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --keep {keep.Path}", world.SocketPath);
        Assert.Equal($"cmesh-forwarder: flow tables {file}: it is no file of flow tables; set aside as {file}.refused, the node begins with empty tables\n", forwarder.Errors);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Contains("west.west-worker.flows.refused", keep.Files);
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()} --keep {keep.Path}");
        Assert.Equal(1, code);
        Assert.Matches(@"^cmesh-forwarder: flow tables \S+ belong to process \d+, which runs; stop it first, or start with --takeover\n$", errors);
    }

    [Fact]
    public async Task A_directory_on_a_disk_is_refused()
    {
        using World world = new();
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()} --keep /proc/self");
        Assert.Equal(1, code);
        Assert.Equal("cmesh-forwarder: flow tables in /proc/self: that is proc, whose pages are written to a disk; give a directory on tmpfs, for example /dev/shm/cmesh\n", errors);
    }

    internal static async Task ApplyServiceAsync(World world)
    {
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.Equal(1, (await client.MergeAsync(Change.Service("default/echo", $"10.2.0.1:{EchoConnections.Port}", $"10.0.1.12:{EchoConnections.Port}"))).Changed);
    }

    /// <summary>
    /// What a pod could notice of its link: index, MAC, state, addresses, routes, and how often the carrier changed. (A new IPv6 address is tentative for
    /// a second.)
    /// </summary>
    internal static string Links(World world) => string.Join('\n', ((string[])["a", "b", "host"]).Select(name =>
        world.Ip(name, "-o link show eth0") + world.Ip(name, "-o address show dev eth0").Replace(" tentative", "", StringComparison.Ordinal) + world.Ip(name, "route show")
        + Command.Run("ip", $"netns exec {world.Namespace(name)} cat /sys/class/net/eth0/carrier_changes")));
}
