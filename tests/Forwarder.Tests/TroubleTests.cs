using System.Diagnostics;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Mesh.Tests;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>What the machine under a running forwarder may do to it, each found by ./run-lab.sh chaos: it goes on.</summary>
public sealed class TroubleTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_takeover_while_somebody_listens_ends_the_old_forwarder_well()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path}";
        using ForwarderProcess old = await ForwarderProcess.StartAsync(world, arguments, world.SocketPath);
        using FlowEventReader listener = Listen(world);
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, arguments + " --takeover", world.SocketPath);
        Assert.Equal(0, await old.EndAsync());
        Assert.Equal("", old.Errors);
        using FlowEventReader again = Listen(world);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.True(again.Read(new FlowRecord[16]) > 0);
    }

    [Fact]
    public async Task Host_and_uplink_come_back_by_themselves()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        Assert.True(world.Ping("a", World.WorldAddress));
        world.Ip("net", "link del west-worker");
        await Eventually.TrueAsync(() => forwarder.Errors.Contains("uplink is up again", StringComparison.Ordinal), () => forwarder.Errors);
        Assert.Contains("master br0", world.Ip("net", "-o link show west-worker"));
        Assert.True(world.Ping("a", World.WorldAddress));

        string routes = world.Ip("host", "route show");
        world.Ip("host", "link del eth0");
        await Eventually.TrueAsync(() => forwarder.Errors.Contains("host is up again", StringComparison.Ordinal), () => forwarder.Errors);
        Assert.Equal(routes, world.Ip("host", "route show"));
        Assert.True(world.Ping("host", "10.0.1.11"));
    }

    [Fact]
    public async Task A_node_whose_own_namespace_is_made_anew_is_served_again()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        string routes = world.Ip("host", "route show");
        world.Remove("host");
        await Eventually.TrueAsync(() => forwarder.Errors.Contains("host is down and is tried again and again", StringComparison.Ordinal), () => forwarder.Errors);
        Assert.True(world.Ping("a", "10.0.1.12"));
        world.Add("host");
        await Eventually.TrueAsync(() => forwarder.Errors.Contains("host is up again", StringComparison.Ordinal), () => forwarder.Errors);
        Assert.Equal(routes, world.Ip("host", "route show"));
        Assert.True(world.Ping("host", "10.0.1.11"));
    }

    [Fact]
    public async Task A_log_on_a_full_disk_costs_the_words_only()
    {
        using World world = new();
        using Process forwarder = Process.Start("bash", ["-c", $"exec {Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder")} --config {world.NodeFile()} >/dev/full 2>&1"]);
        try
        {
            await Eventually.TrueAsync(() => world.HasInterface("a", "eth0") && world.Ping("a", "10.0.1.12"), () => forwarder.HasExited);
            world.Ip("net", "link del west-worker");
            world.Remove("b");
            await Eventually.TrueAsync(() => world.HasInterface("net", "west-worker"), () => forwarder.HasExited);
            Assert.True(world.Ping("a", World.WorldAddress));
            Command.Run("kill", $"-TERM {forwarder.Id}");
            await forwarder.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(s_limit, TestContext.Current.CancellationToken);
            Assert.Equal(0, forwarder.ExitCode);
        }
        finally
        {
            forwarder.Kill();
        }
    }

    /// <summary>
    /// Below what the limits of both sockets take together, the runtime itself would be without files: it needs two for each of its threads, and ends
    /// the process where it cannot start one.
    /// </summary>
    [Fact]
    public async Task Hundreds_of_silent_clients_leave_files_for_all_the_rest()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        int openCount = Directory.GetFiles($"/proc/{forwarder.Id}/fd").Length;
        Command.Run("prlimit", $"--pid {forwarder.Id} --nofile={openCount + 300}:");
        List<Socket> waiting = [.. Enumerable.Range(0, 400).Select(_ => Connected(ControlPaths.EventsBeside(world.SocketPath)))];
        waiting.AddRange(Enumerable.Range(0, 400).Select(_ => Connected(world.SocketPath)));
        Assert.True(world.Ping("a", "10.0.1.12"));
        waiting.ForEach(s => s.Dispose());
        FlowEventReader? listener = null;
        await Eventually.TrueAsync(() => (listener = TryListen(world)) is not null, () => forwarder.Errors);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.Equal(1, (await client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.12:8080"))).Changed);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.True(listener!.Read(new FlowRecord[16]) > 0);
        listener.Dispose();
        Assert.Equal("", forwarder.Errors);
    }

    private static FlowEventReader? TryListen(World world)
    {
        try
        {
            return Listen(world);
        }
        catch (DeviceException)
        {
            return null;
        }
    }

    private static FlowEventReader Listen(World world) => FlowEventReader.Connect(ControlPaths.EventsBeside(world.SocketPath), FlowDetail.Changes);

    private static Socket Connected(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }
}
