using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A pod sends the pieces of a datagram in the wrong order; the pod that gets them puts it together only if all came through.</summary>
public sealed class EarlyFragmentTests
{
    private const int Port = 9000;

    [Fact]
    public async Task With_hold_the_last_piece_may_come_first()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, world.NodeFile("flows: {fragments: hold}"));
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Socket server = world.Socket("b", SocketType.Dgram);
        server.Bind(new IPEndPoint(IPAddress.Any, Port));
        byte[] payload = new byte[3000];
        new Random(1).NextBytes(payload);
        TestPacket whole = TestPacket.Udp(IpAddress.Parse("10.0.1.11"), 4000, IpAddress.Parse("10.0.1.12"), Port) with { Payload = payload };
        using NetworkNamespace ns = NetworkNamespace.Open(world.Namespace("a"));
        using Socket raw = ns.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Raw));
        foreach (int offset in (int[])[2960, 1480, 0])
        {
            raw.SendTo(whole.Fragment(offset, 1480).Datagram(), new IPEndPoint(IPAddress.Parse("10.0.1.12"), 0));
        }

        byte[] received = new byte[2 * payload.Length];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        int length = await server.ReceiveAsync(received, limit.Token);
        Assert.Equal(payload, received[..length]);
        var fragments = (await client.ListAsync(ControlKinds.Counter).ToListAsync()).Where(c => c.Scope == "fragment").ToDictionary(c => c.Name, c => c.Value);
        Assert.Equal((2ul, 1ul, 2ul), (fragments["held"], fragments["first"], fragments["followed"]));
    }
}
