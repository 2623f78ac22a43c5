using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Bulk data between pods of which each has its offloads or not: it arrives whole, in frames that the pod's interface takes.</summary>
public sealed class OffloadTests
{
    private const int Length = 8 * 1024 * 1024;
    private const int Port = 9000;

    [Theory]
    [InlineData("on", "off")]
    [InlineData("off", "on")]
    [InlineData("off", "off")]
    [InlineData("on", "checksum")]
    [InlineData("checksum,uso4,uso6", "checksum,tso4,tso6")]
    public async Task A_stream_arrives_as_it_was_sent(string from, string to)
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(world.Endpoint("a", "10.0.1.11") with { Offloads = from }, world.Endpoint("b", "10.0.1.12") with { Offloads = to });

        byte[] sent = new byte[Length];
        new Random(1).NextBytes(sent);
        byte[] got = new byte[Length];
        using Socket listener = world.Listen("b", Port);
        using Socket sender = world.Socket("a", SocketType.Stream);
        await sender.ConnectAsync(IPEndPoint.Parse($"10.0.1.12:{Port}"));
        using Socket receiver = await listener.AcceptAsync();
        Task sending = sender.SendAsync(sent);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        for (int at = 0; at < Length;)
        {
            int count = await receiver.ReceiveAsync(got.AsMemory(at), limit.Token);
            Assert.NotEqual(0, count);
            at += count;
        }

        await sending;
        Assert.True(sent.AsSpan().SequenceEqual(got), "the bytes differ");

        // Whole super-packets would be a few hundred frames.
        bool isCut = !to.Contains("tso4", StringComparison.Ordinal) && to != "on";
        Assert.True(!isCut || FrameCount(world, "b", "rx") >= Length / 1500, $"{FrameCount(world, "b", "rx")} frames");
        Assert.Equal("", forwarder.Errors);
    }

    /// <summary>Frames of an interface since it was made, as the pod's kernel counts them.</summary>
    private static long FrameCount(World world, string pod, string direction)
    {
        string links = world.Ip(pod, "-j -s link show dev eth0");
        return JsonDocument.Parse(links).RootElement[0].GetProperty("stats64").GetProperty(direction).GetProperty("packets").GetInt64();
    }
}
