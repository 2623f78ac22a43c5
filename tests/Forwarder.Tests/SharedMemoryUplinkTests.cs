using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Two forwarders of one machine: frames between them go through memory while both live, and by the bridge when one has ended.</summary>
public sealed class SharedMemoryUplinkTests
{
    [Theory]
    [InlineData("io_uring")]
    [InlineData("readiness")]
    public async Task Frames_take_the_link_and_a_killed_peer_comes_back(string engine)
    {
        using World world = new();
        string directory = Path.Combine(world.RunDirectory, "links");
        using ForwarderProcess west = await StartAsync(world, "west", 1, "a", "east", 2, directory, engine);
        ForwarderProcess east = await StartAsync(world, "east", 2, "b", "west", 1, directory, engine);
        await LinkedAsync(world, "west", "east/worker");
        await LinkedAsync(world, "east", "west/worker");
        Assert.True(world.Ping("a", "10.2.0.11"), "by shared memory");
        Assert.True(world.Ping("b", "10.1.0.11"), "by shared memory, back");
        (ulong sent, ulong received) = await LinkCountsAsync(world, "west");
        Assert.True(sent >= 6 && received >= 6, $"{sent} frames sent, {received} received by the link");

        // Killed: the kernel closes its end, and what was lent to it comes back.
        east.Signal("KILL");
        await east.EndAsync();
        east.Dispose();
        await UnlinkedAsync(world, "west");
        Assert.False(world.Ping("a", "10.2.0.11"));
        using ForwarderProcess again = await StartAsync(world, "east", 2, "b", "west", 1, directory, engine);
        await LinkedAsync(world, "west", "east/worker");
        Assert.True(world.Ping("a", "10.2.0.11"), "by the new link");

        // Ended as asked: its socket goes too.
        again.Signal("TERM");
        Assert.Equal(0, await again.EndAsync());
        await UnlinkedAsync(world, "west");
        Assert.Equal(["west.worker.sock"], Directory.GetFiles(directory).Select(Path.GetFileName));
        Assert.DoesNotContain("died", west.Errors);
    }

    [Fact]
    public async Task Without_the_link_the_same_frames_take_the_bridge()
    {
        using World world = new();
        string directory = Path.Combine(world.RunDirectory, "links");
        using ForwarderProcess west = await StartAsync(world, "west", 1, "a", "east", 2, directory, "auto");
        using ForwarderProcess east = await StartAsync(world, "east", 2, "b", "west", 1, null, "auto");
        Assert.True(world.Ping("a", "10.2.0.11"));
        await using ControlClient client = await ControlClient.ConnectAsync(SocketOf(world, "west"));
        Assert.DoesNotContain(await client.ListAsync(ControlKinds.Counter).ToListAsync(), c => c.Scope == "link");
    }

    /// <summary>What the pipeline wants fragmented is cut before the link, which carries frames of the link's MTU.</summary>
    [Fact]
    public async Task Long_datagrams_are_fragmented_before_the_link()
    {
        using World world = new();
        string directory = Path.Combine(world.RunDirectory, "links");
        using ForwarderProcess west = await StartAsync(world, "west", 1, "a", "east", 2, directory, "auto");
        using ForwarderProcess east = await StartAsync(world, "east", 2, "b", "west", 1, directory, "auto");
        await LinkedAsync(world, "west", "east/worker");
        await LinkedAsync(world, "east", "west/worker");
        Assert.True(world.Ping("a", "10.2.0.11"));
        (ulong before, _) = await LinkCountsAsync(world, "west");
        world.Ip("a", "link set eth0 mtu 4000");
        using Socket server = world.Socket("b", SocketType.Dgram);
        server.Bind(new IPEndPoint(IPAddress.Any, 9000));
        using Socket client = world.Socket("a", SocketType.Dgram);
        client.DontFragment = false;
        byte[] sent = new byte[3500];
        new Random(1).NextBytes(sent);
        client.SendTo(sent, IPEndPoint.Parse("10.2.0.11:9000"));
        byte[] received = new byte[2 * sent.Length];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        int length = await server.ReceiveAsync(received, limit.Token);
        Assert.Equal(sent, received[..length]);
        Assert.Equal(3ul, await SentAsync(world, "west", before + 3) - before);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 3)]
    public async Task A_takeover_with_several_workers_has_the_link_again(int before, int after)
    {
        using World world = new();
        using KeepDirectory keep = new();
        string directory = Path.Combine(world.RunDirectory, "links");
        using ForwarderProcess west = await StartAsync(world, "west", 1, "a", "east", 2, directory, "auto", $" --keep {keep.Path} --workers {before}");
        using ForwarderProcess east = await StartAsync(world, "east", 2, "b", "west", 1, directory, "auto", $" --keep {keep.Path} --workers {before}");
        await LinkedAsync(world, "west", "east/worker");
        Assert.True(world.Ping("a", "10.2.0.11"), "by shared memory");
        using ForwarderProcess next = await StartAsync(world, "west", 1, "a", "east", 2, directory, "auto", $" --keep {keep.Path} --workers {after} --takeover");
        Assert.Equal(0, await west.EndAsync());
        await LinkedAsync(world, "west", "east/worker");
        await LinkedAsync(world, "east", "west/worker");
        Assert.True(world.Ping("a", "10.2.0.11"), "by the new link");
        Assert.True(world.Ping("b", "10.1.0.11"), "by the new link, back");
        Assert.DoesNotContain("died", west.Errors + east.Errors + next.Errors);
    }

    internal static Task<ForwarderProcess> StartAsync(World world, string cluster, int id, string pod, string other, int otherId, string? directory, string engine, string more = "")
    {
        string path = Path.Combine(world.RunDirectory, cluster + ".yaml");
        File.WriteAllText(path, $"""
            node: {"{"}name: worker, cluster: {cluster}, clusterId: {id}, addresses: [172.18.0.{10 + id}/16], podCIDRs: [10.{id}.0.0/24]{"}"}
            socket: {SocketOf(world, cluster)}
            uplink:
              namespace: {world.Namespace("net")}
              interface: {cluster}
              bridge: br0
              gateways: [{World.WorldAddress}]
              {(directory is null ? "" : "sharedMemory: " + directory)}
            routing: {"{"}mode: native, ipv4NativeRoutingCIDR: 10.0.0.0/8{"}"}
            tables: {"{"}conntrackEntries: 65536, snatEntries: 65536{"}"}
            endpoints:
              - {"{"}name: default/{pod}, namespace: {world.Namespace(pod)}, addresses: [10.{id}.0.11]{"}"}
            nodes:
              - {"{"}name: worker, cluster: {other}, addresses: [172.18.0.{10 + otherId}], podCIDRs: [10.{otherId}.0.0/24]{"}"}
            """ + "\n");
        return ForwarderProcess.StartAsync(world, $"--config {path} --engine {engine}{more}", SocketOf(world, cluster));
    }

    internal static string SocketOf(World world, string cluster) => Path.Combine(world.RunDirectory, cluster + ".sock");

    internal static Task LinkedAsync(World world, string cluster, string peer) => UntilAsync(world, cluster, links => links.Contains(peer));

    private static Task UnlinkedAsync(World world, string cluster) => UntilAsync(world, cluster, links => links.Count == 0);

    private static async Task UntilAsync(World world, string cluster, Predicate<List<string>> isReached)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(SocketOf(world, cluster));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        List<string> links;
        do
        {
            limit.Token.ThrowIfCancellationRequested();
            links = (await client.ListAsync(ControlKinds.Counter).ToListAsync(limit.Token)).Where(c => c.Scope == "link").Select(c => c.Name).ToList();
        }
        while (!isReached(links));
    }

    /// <summary>What was sent over the link, once it is as many as expected: a frame is there before its worker has counted it.</summary>
    private static async Task<ulong> SentAsync(World world, string cluster, ulong expected)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        ulong sent;
        do
        {
            (sent, _) = await LinkCountsAsync(world, cluster);
        }
        while (sent < expected && !limit.IsCancellationRequested);
        return sent;
    }

    private static async Task<(ulong Sent, ulong Received)> LinkCountsAsync(World world, string cluster)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(SocketOf(world, cluster));
        List<CounterRow> rows = await client.ListAsync(ControlKinds.Counter).ToListAsync();
        return (rows.Single(r => r is { Scope: "link", Counter: "txPackets" }).Value, rows.Single(r => r is { Scope: "link", Counter: "rxPackets" }).Value);
    }
}
