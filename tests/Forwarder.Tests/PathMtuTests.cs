using System.Net;
using System.Net.Sockets;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A pod whose interface takes longer packets than the node network: what may be cut arrives whole, what may not is told the MTU.</summary>
public sealed class PathMtuTests
{
    private const int Port = 9000;
    private const int Length = 3500;

    [Fact]
    public async Task Long_datagrams_are_fragmented_or_refused_with_the_MTU()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        world.Ip("a", "link set eth0 mtu 4000");
        using Socket server = world.Socket("world", SocketType.Dgram);
        server.Bind(new IPEndPoint(IPAddress.Any, Port));
        using Socket client = world.Socket("a", SocketType.Dgram);
        client.Connect(IPAddress.Parse(World.WorldAddress), Port);
        byte[] sent = new byte[Length];
        new Random(1).NextBytes(sent);

        // Fragmented behind the masquerade, and put together again by the kernel that gets them.
        client.DontFragment = false;
        client.Send(sent);
        byte[] received = new byte[2 * Length];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        int length = await server.ReceiveAsync(received, limit.Token);
        Assert.Equal(sent, received[..length]);

        // Of the next the pod's kernel hears that it is too long, and tells the program.
        client.DontFragment = true;
        SocketError error = SocketError.Success;
        while (error == SocketError.Success)
        {
            limit.Token.ThrowIfCancellationRequested();
            client.Send(sent, 0, Length, SocketFlags.None, out error);
        }

        Assert.Equal(SocketError.MessageSize, error);
        Assert.Contains("mtu 1500", world.Ip("a", $"route get {World.WorldAddress}"), StringComparison.Ordinal);
        Assert.Equal("", forwarder.Errors);
    }
}
