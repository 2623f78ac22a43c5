using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A node of ours and one of Linux: the far end of the tunnel is a kernel's vxlan device with an entry in its FDB.</summary>
public sealed class TunnelTests
{
    private const int BulkLength = 16 * 1024 * 1024;

    /// <param name="outer">Family of the outer headers; pods have both.</param>
    [Theory]
    [InlineData(4, "auto", 1, true)]
    [InlineData(4, "auto", 1, false)]
    [InlineData(6, "auto", 1, true)]
    [InlineData(4, "readiness", 2, true)]
    public async Task A_kernels_vxlan_device_is_a_node_like_any_other(int outer, string engine, int workers, bool hasOffload)
    {
        using World world = new();
        MakeKernelNode(world, outer);
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(
            world, $"--config {NodeFile(world, outer, hasOffload)} --engine {engine} --workers {workers}", Path.Combine(world.RunDirectory, "west.sock"));
        Assert.True(world.Ping("a", "10.1.1.2"), "from the pod, IPv4");
        Assert.True(world.Ping("a", "fd00:10:1:1::2"), "from the pod, IPv6");
        Assert.True(world.Ping("world", "10.0.1.11"), "to the pod, IPv4");
        Assert.True(world.Ping("world", "fd00:10:0:1::11"), "to the pod, IPv6");

        // The longest packet that passes is the pod's MTU, and none that is longer leaves the pod.
        int mtu = outer == 4 ? 1450 : 1430;
        Assert.Contains($"mtu {mtu} ", world.Ip("a", "link show dev eth0"));
        Assert.True(PingWhole(world, "a", "10.1.1.2", mtu - 28));
        Assert.True(PingWhole(world, "world", "10.0.1.11", mtu - 28));
        Assert.False(PingWhole(world, "a", "10.1.1.2", mtu - 27));

        ulong before = await TransmittedAsync(world, "west");
        foreach (string family in (string[])["ipv4", "ipv6"])
        {
            string pod = family == "ipv4" ? "10.0.1.11" : "fd00:10:0:1::11";
            string kernel = family == "ipv4" ? "10.1.1.2" : "fd00:10:1:1::2";
            await BulkAsync(world, "a", "world", kernel, pod);
            await BulkAsync(world, "world", "a", pod, kernel);
        }

        // One way is 32 MB: in segments it would be more than 23,000 frames beside the other way's acknowledgments.
        ulong frames = await TransmittedAsync(world, "west") - before;
        Assert.True(!hasOffload || !world.HasTunnelOffload || frames < 2ul * BulkLength / 1450, $"{frames} frames left");
        Assert.DoesNotContain("died", forwarder.Errors);
    }

    /// <summary>
    /// Through memory and through TAPs whose kernel knows tunnels a super-packet stays whole; before another TAP it is cut, and arrives all the same.
    /// </summary>
    [Theory]
    [InlineData(true, true, 1, "auto")]
    [InlineData(true, true, 2, "auto")]
    [InlineData(false, false, 1, "auto")]
    [InlineData(false, true, 1, "auto")]
    [InlineData(false, true, 1, "readiness")]
    [InlineData(false, true, 2, "auto")]
    public async Task Two_nodes_of_ours_pass_bulk_through_the_tunnel(bool isLinked, bool hasOffload, int workers, string engine)
    {
        using World world = new();
        string options = $"--workers {workers} --engine {engine}";
        using ForwarderProcess west = await StartAsync(world, "west", 1, "a", "east", 2, isLinked, hasOffload, options);
        using ForwarderProcess east = await StartAsync(world, "east", 2, "b", "west", 1, isLinked, hasOffload, options);
        if (isLinked)
        {
            await LinkedAsync(world, "west");
            await LinkedAsync(world, "east");
        }

        Assert.True(world.Ping("a", "10.2.0.11"), "IPv4");
        Assert.True(world.Ping("a", "fd00:10:2::11"), "IPv6");
        ulong before = await TransmittedAsync(world, "west");
        await BulkAsync(world, "a", "b", "10.2.0.11", "10.1.0.11");
        await BulkAsync(world, "a", "b", "fd00:10:2::11", "fd00:10:1::11");
        ulong frames = await TransmittedAsync(world, "west") - before;
        ulong segments = 2ul * BulkLength / 1450;
        bool isWhole = isLinked || (hasOffload && world.HasTunnelOffload);
        Assert.True(isWhole ? frames < segments / 4 : frames >= segments, $"{frames} frames left for {segments} segments");
        Assert.DoesNotContain("died", west.Errors + east.Errors);
    }

    [Fact]
    public async Task The_nodes_own_stack_speaks_through_the_tunnel_under_its_routers_address()
    {
        using World world = new();
        using ForwarderProcess west = await StartAsync(world, "west", 1, "a", "east", 2, false, true, "", $"host: {{namespace: {world.Namespace("host")}}}");
        using ForwarderProcess east = await StartAsync(world, "east", 2, "b", "west", 1, false, true, "");
        Assert.Contains("10.2.0.0/24 via 172.18.0.12 dev eth0 proto kernel src 10.1.0.1", world.Ip("host", "route show"));
        Assert.True(world.Ping("host", "10.2.0.11"), "from the node to another node's pod");
        Assert.True(world.Ping("b", "10.1.0.1"), "from that pod to the node's router address");
        Assert.Equal("", west.Errors + east.Errors);
    }

    private static Task<ForwarderProcess> StartAsync(
        World world, string cluster, int id, string pod, string other, int otherId, bool isLinked, bool hasOffload, string options, string more = "")
    {
        string path = Path.Combine(world.RunDirectory, cluster + ".yaml");
        string socket = Path.Combine(world.RunDirectory, cluster + ".sock");
        string link = isLinked ? $", sharedMemory: {Path.Combine(world.RunDirectory, "links")}" : "";
        File.WriteAllText(path, $"""
            node: {"{"}name: worker, cluster: {cluster}, clusterId: {id}, addresses: [172.18.0.{10 + id}/16], podCIDRs: [10.{id}.0.0/24, 'fd00:10:{id}::/64']{"}"}
            socket: {socket}
            {more}
            uplink: {"{"}namespace: {world.Namespace("net")}, interface: {cluster}, bridge: br0{link}{"}"}
            routing: {"{"}mode: tunnel, tunnelOffload: {(hasOffload ? "true" : "false")}{"}"}
            tables: {"{"}conntrackEntries: 65536, snatEntries: 65536{"}"}
            endpoints:
              - {"{"}name: default/{pod}, namespace: {world.Namespace(pod)}, addresses: [10.{id}.0.11, 'fd00:10:{id}::11']{"}"}
            nodes:
              - {"{"}name: worker, cluster: {other}, clusterId: {otherId}, addresses: [172.18.0.{10 + otherId}], podCIDRs: [10.{otherId}.0.0/24, 'fd00:10:{otherId}::/64']{"}"}
            """ + "\n");
        return ForwarderProcess.StartAsync(world, $"--config {path} {options}", socket);
    }

    private static async Task LinkedAsync(World world, string cluster)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(Path.Combine(world.RunDirectory, cluster + ".sock"));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!(await client.ListAsync(ControlKinds.Counter).ToListAsync(limit.Token)).Any(c => c.Scope == "link"))
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Frames that left by the uplink, whichever way.</summary>
    private static async Task<ulong> TransmittedAsync(World world, string cluster)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(Path.Combine(world.RunDirectory, cluster + ".sock"));
        List<CounterRow> rows = await client.ListAsync(ControlKinds.Counter).ToListAsync();
        return rows.Single(r => r is { Scope: "port", Name: "uplink", Counter: "txPackets" }).Value;
    }

    private static void MakeKernelNode(World world, int outer)
    {
        (string own, string peer, string mac, string peerMac) = outer == 4
            ? (World.WorldAddress, "172.18.0.5", "02:42:ac:12:00:01", "02:42:ac:12:00:05")
            : ("fd00:172:18::1", "fd00:172:18::5", "02:42:00:00:00:01", "02:42:00:00:00:05");
        world.Ip("world", "address add fd00:172:18::1/64 dev eth0 nodad");
        world.Ip("world", $"link add vxlan0 address {mac} type vxlan id 5 dstport 8472 local {own} dev eth0 nolearning");
        world.Ip("world", $"link set vxlan0 mtu {(outer == 4 ? 1450 : 1430)} up");
        Command.Run("ip", $"netns exec {world.Namespace("world")} bridge fdb append {peerMac} dev vxlan0 dst {peer}");
        world.Ip("world", "address add 10.1.1.2/32 dev vxlan0");
        world.Ip("world", "address add fd00:10:1:1::2/128 dev vxlan0 nodad");
        world.Ip("world", $"neighbour add 10.0.1.1 lladdr {peerMac} dev vxlan0");
        world.Ip("world", $"neighbour add fe80::5 lladdr {peerMac} dev vxlan0");
        world.Ip("world", "route add 10.0.1.0/24 via 10.0.1.1 dev vxlan0 onlink src 10.1.1.2");
        world.Ip("world", "route add fd00:10:0:1::/64 via fe80::5 dev vxlan0 src fd00:10:1:1::2");
    }

    private static string NodeFile(World world, int outer, bool hasOffload)
    {
        string path = Path.Combine(world.RunDirectory, "west.yaml");
        File.WriteAllText(path, $"""
            node: {"{"}name: worker, cluster: west, clusterId: 1, addresses: [172.18.0.5/16, 'fd00:172:18::5/64'], podCIDRs: [10.0.1.0/24, 'fd00:10:0:1::/64']{"}"}
            socket: {Path.Combine(world.RunDirectory, "west.sock")}
            uplink: {"{"}namespace: {world.Namespace("net")}, interface: west, bridge: br0{"}"}
            routing: {"{"}mode: tunnel, underlayProtocol: ipv{outer}, tunnelOffload: {(hasOffload ? "true" : "false")}{"}"}
            tables: {"{"}conntrackEntries: 65536, snatEntries: 65536{"}"}
            endpoints:
              - {"{"}name: default/a, namespace: {world.Namespace("a")}, addresses: [10.0.1.11, 'fd00:10:0:1::11']{"}"}
            nodes:
              - {"{"}name: kernel, cluster: east, addresses: [{World.WorldAddress}, 'fd00:172:18::1'], podCIDRs: [10.1.1.0/24, 'fd00:10:1:1::/64']{"}"}
            """ + "\n");
        return path;
    }

    private static bool PingWhole(World world, string from, string address, int size) =>
        Command.TryRun("ip", $"netns exec {world.Namespace(from)} ping -n -q -c 1 -W 2 -M do -s {size} {address}").Code == 0;

    /// <summary>Sends much from one namespace to another, and compares what came.</summary>
    private static async Task BulkAsync(World world, string from, string to, string address, string source)
    {
        byte[] sent = RandomNumberGenerator.GetBytes(BulkLength);
        using Socket listener = Tcp(world, to, address);
        listener.Bind(new IPEndPoint(IPAddress.Parse(address), 9000));
        listener.Listen();
        using Socket client = Tcp(world, from, address);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await client.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), 9000), limit.Token);
        using Socket server = await listener.AcceptAsync(limit.Token);
        Assert.Equal(source, ((IPEndPoint)server.RemoteEndPoint!).Address.ToString());
        Task sending = SendAsync(client, sent, limit.Token);
        byte[] received = new byte[sent.Length];
        int length = 0;
        while (length < received.Length && await server.ReceiveAsync(received.AsMemory(length), limit.Token) is int count and > 0)
        {
            length += count;
        }

        await sending;
        Assert.True(sent.AsSpan().SequenceEqual(received.AsSpan(0, length)), $"{length} bytes of {sent.Length} from {from} to {address}, or other ones");
    }

    private static async Task SendAsync(Socket client, byte[] bytes, CancellationToken limit)
    {
        for (int sent = 0; sent < bytes.Length;)
        {
            sent += await client.SendAsync(bytes.AsMemory(sent), limit);
        }

        client.Shutdown(SocketShutdown.Send);
    }

    private static Socket Tcp(World world, string name, string address)
    {
        using NetworkNamespace ns = NetworkNamespace.Open(world.Namespace(name));
        return ns.Run(() => new Socket(IPAddress.Parse(address).AddressFamily, SocketType.Stream, ProtocolType.Tcp));
    }
}
