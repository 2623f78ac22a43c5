using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Mesh.Tests;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Flow events of a running forwarder: real packets, the events socket, rings in shared memory.</summary>
public sealed class FlowEventTests
{
    [Fact]
    public async Task A_connection_through_a_service_comes_out_of_the_ring()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.12:8080"));
        using Socket listener = world.Listen("b", 8080);
        using Listener events = new(world);
        Assert.Equal("10.0.1.11", world.Connect("a", "10.2.0.1", 80, listener));
        await events.UntilAsync(r => (r.TcpFlags & (TcpFlags.Fin | TcpFlags.Rst)) != 0 && r.Reply == FlowReply.Yes);
        FlowRecord[] told = [.. events.Records.Where(r => r.Protocol == IpProtocol.Tcp)];
        Assert.Equal(FlowVerdict.Translated, told[0].Verdict);
        Assert.Equal(("10.0.1.11", "10.2.0.1", 80), (told[0].Source.ToString(), told[0].Destination.ToString(), told[0].DestinationPort));
        Assert.Equal(("10.0.1.12", 8080, TcpFlags.Syn), (told[1].Destination.ToString(), told[1].DestinationPort, told[1].TcpFlags));
        Assert.Equal((FlowVerdict.Forwarded, ObservationPoint.ToEndpoint, FlowReply.No), (told[1].Verdict, told[1].ObservationPoint, told[1].Reply));
        Assert.Equal((TcpFlags.Syn | TcpFlags.Ack, FlowReply.Yes), (told[2].TcpFlags, told[2].Reply));
        Assert.All(told, r => Assert.InRange(DateTime.UnixEpoch.AddTicks(r.Time / 100), DateTime.UtcNow.AddMinutes(-1), DateTime.UtcNow));
        Assert.Equal(0ul, events.Reader.LostCount);
        Assert.Equal("", forwarder.Errors);
    }

    [Fact]
    public async Task Drops_are_told_and_a_forwarder_without_listeners_tells_nothing()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Equal((0ul, 0ul), (await FigureAsync(client, "listeners"), await FigureAsync(client, "written")));
        using (Listener events = new(world))
        {
            Assert.Equal(1ul, await FigureAsync(client, "listeners"));
            Assert.False(world.Ping("a", "10.0.1.77"));
            await events.UntilAsync(r => r.Kind == FlowEventKind.Drop && r.Destination == IpAddress.Parse("10.0.1.77") && r.Source == IpAddress.Parse("10.0.1.11"));
        }

        ulong listeners = 1;
        await Eventually.TrueAsync(() => (listeners = FigureAsync(client, "listeners").GetAwaiter().GetResult()) == 0, () => listeners);
        ulong written = await FigureAsync(client, "written");
        Assert.NotEqual(0ul, written);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.False(world.Ping("a", "10.0.1.77"));
        Assert.Equal(written, await FigureAsync(client, "written"));
    }

    [Fact]
    public async Task Listeners_read_side_by_side_and_each_what_it_asked_for()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        using Listener changes = new(world);
        using Listener packets = new(world, FlowDetail.EveryPacket);
        var gone = FlowEventReader.Connect(ControlPaths.EventsBeside(world.SocketPath), FlowDetail.EveryPacket);
        gone.Dispose();
        Assert.True(world.Ping("a", "10.0.1.12"));
        int Echoes(Listener l) => l.Records.Count(r => r.Protocol == IpProtocol.Icmp);
        await packets.UntilAsync(_ => Echoes(packets) == 6);
        await changes.UntilAsync(_ => Echoes(changes) == 2);
        Assert.All(changes.Records, r => Assert.Equal(FlowDetail.Changes, r.Detail));
        Assert.Equal("", forwarder.Errors);
    }

    [Fact]
    public async Task With_several_workers_each_has_a_ring()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --workers 9", world.SocketPath);
        using Listener events = new(world);
        Assert.Equal(9, events.Reader.WorkerCount);
        using Socket listener = world.Listen("b", 8080);
        for (int i = 0; i < 20; i++)
        {
            world.Connect("a", "10.0.1.12", 8080, listener);
        }

        await events.UntilAsync(_ => events.Records.Count(r => r is { TcpFlags: TcpFlags.Syn, DestinationPort: 8080 }) == 20);
        Assert.NotEqual(1, events.Records.Select(r => r.Worker).Distinct().Count());
    }

    [Fact]
    public async Task A_listener_too_many_is_refused_with_a_sentence_and_one_of_a_forwarder_that_ends_notices()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        List<Listener> all = [.. Enumerable.Range(0, FlowEventServer.MaxListenerCount).Select(_ => new Listener(world))];
        DeviceException refusal = Assert.Throws<DeviceException>(() => new Listener(world));
        Assert.Contains("takes no more listeners (16 at most); end another one", refusal.Message);
        Assert.True(all[0].Reader.IsConnected);
        forwarder.Signal("TERM");
        Assert.Equal(0, await forwarder.EndAsync());
        await Eventually.TrueAsync(() => !all[0].Reader.IsConnected, () => "connected");
        Assert.False(File.Exists(ControlPaths.EventsBeside(world.SocketPath)));
        all.ForEach(l => l.Dispose());
        Assert.Contains("no forwarder gives flow events there", Assert.Throws<DeviceException>(() => new Listener(world)).Message);
    }

    private static async Task<ulong> FigureAsync(ControlClient client, string counter)
    {
        await foreach (CounterRow row in client.ListAsync(ControlKinds.Counter))
        {
            if (row.Scope == "event" && row.Counter == counter)
            {
                return row.Value;
            }
        }

        throw new InvalidOperationException($"there is no counter {counter}");
    }

    /// <summary>Gathers what a reader gets.</summary>
    private sealed class Listener(World world, FlowDetail detail = FlowDetail.Changes) : IDisposable
    {
        private readonly FlowRecord[] _batch = new FlowRecord[256];

        public FlowEventReader Reader { get; } = FlowEventReader.Connect(ControlPaths.EventsBeside(world.SocketPath), detail);

        public List<FlowRecord> Records { get; } = [];

        public Task UntilAsync(Func<FlowRecord, bool> last) => Eventually.TrueAsync(
            () =>
            {
                for (int count; (count = Reader.Read(_batch)) > 0;)
                {
                    Records.AddRange(_batch.AsSpan(0, count));
                }

                return Records.Any(last);
            },
            () => string.Join('\n', Records));

        public void Dispose() => Reader.Dispose();
    }
}
