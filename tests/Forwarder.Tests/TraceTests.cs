using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Traces on a running node, beside real traffic.</summary>
public sealed class TraceTests
{
    [Fact]
    public async Task A_trace_tells_which_backend_a_connection_gets_and_leaves_no_trace()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Socket[] listeners = [world.Listen("a", 8080), world.Listen("b", 8080)];
        await client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.11:8080", "10.0.1.12:8080"));
        for (int i = 0; i < 8; i++)
        {
            string before = await StateAsync(client);
            PacketTrace said = (await client.TraceAsync(new TraceRequest([new TracePacket { From = $"default/a:{43000 + i}", To = "default/web" }]))).Packets[0];
            Assert.Equal("transmit", said.Verdict);
            Assert.Equal(before, await StateAsync(client));
            using Socket socket = world.Socket("a", SocketType.Stream);
            socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Any, 43000 + i));
            await socket.ConnectAsync("10.2.0.1", 80).WaitAsync(TimeSpan.FromSeconds(5));
            ConntrackRow choice = (await client.ListAsync(ControlKinds.Conntrack).ToListAsync()).Single(c => c.Direction == "SVC" && c.Source.EndsWith($":{43000 + i}", StringComparison.Ordinal));
            BackendRow backend = (await client.ListAsync(ControlKinds.Backend).ToListAsync()).Single(b => b.Id == choice.BackendId);
            Assert.Contains($"destination becomes {backend.Backend}", said.Steps.Single(s => s.Stage == "Service").Result);
        }

        Array.ForEach(listeners, l => l.Dispose());
    }

    [Fact]
    public async Task The_conntrack_table_of_a_running_node_is_full_and_a_trace_says_so()
    {
        using World world = new();
        string file = world.NodeFile();
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("conntrackEntries: 65536", "conntrackEntries: 1024", StringComparison.Ordinal));
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, file);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        StatusReport status = await client.GetStatusAsync();
        Assert.SkipUnless(status.Workers.Count == 1, "which worker's table is full depends on the flow");
        Assert.True(world.Ping("a", "10.0.1.12"));
        using Socket sender = world.Socket("a", SocketType.Dgram);
        PacketTrace trace;
        int port = 0;
        do
        {
            // A flow that has only begun would give way; growing datagrams are not joined to one packet.
            for (int last = port + 20; port < last; port++)
            {
                for (int i = 1; i <= 6; i++)
                {
                    sender.SendTo(new byte[i], new System.Net.IPEndPoint(System.Net.IPAddress.Parse("10.0.1.12"), port + 1));
                }
            }

            trace = (await client.TraceAsync(new TraceRequest([new TracePacket { From = "default/a:4711", To = "default/b:80" }]))).Packets[0];
        }
        while (trace.Verdict != "drop" && port < 10_000);

        Assert.Equal(
            ("Dropped (CT: Map insertion failed): the conntrack table is full (1024 of 1024 entries), so that no new flow can be recorded.",
                "Raise tables.conntrackEntries in the node file, or see who has so many flows (cmesh ct list)."),
            (trace.Summary, trace.Advice));
    }

    private static async Task<string> StateAsync(ControlClient client)
    {
        List<SnatRow> mappings = await client.ListAsync(ControlKinds.Snat).ToListAsync();
        List<ConntrackRow> flows = await client.ListAsync(ControlKinds.Conntrack).ToListAsync();
        return string.Join('\n', [.. mappings.Select(m => m.ToString()), .. flows.Select(f => $"{f.Direction} {f.Source} {f.Destination}")]);
    }
}
