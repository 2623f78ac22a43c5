using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Forwarder.Tests;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>cmesh monitor and cmesh top ask the forwarder alone.</summary>
public sealed partial class MonitorTests
{
    [Fact]
    public async Task Monitor_shows_events_without_an_agent()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await ServeAsync(client);
        using Socket listener = world.Listen("b", 8080);
        using Process lines = await StartAsync(world, client, 1, "monitor --count 3 --related-to 10.0.1.11");
        using Process json = await StartAsync(world, client, 2, "monitor --count 1 --type drop --related-to 10.0.1.77 -o json");
        world.Connect("a", "10.2.0.1", 80, listener);
        Assert.False(world.Ping("a", "10.0.1.77"));
        (int code, string output) = Command.Finish(lines);
        Assert.Equal(
            """
            <- endpoint 2 translated identity 5->0 state new port default/a: 10.0.1.11:P -> 10.2.0.1:80 tcp SYN
            -> endpoint 3 identity 5->5 state new port default/b: 10.0.1.11:P -> 10.0.1.12:8080 tcp SYN
            -> endpoint 2 identity 5->5 state reply port default/a: 10.0.1.12:8080 -> 10.0.1.11:P tcp SYN, ACK

            """, Port().Replace(output, "10.0.1.11:P"));
        Assert.Equal(0, code);
        JsonElement drop = JsonDocument.Parse(Command.Finish(json).Output).RootElement;
        Assert.Equal(
            ("drop", "Stale or unroutable IP", "10.0.1.11", "10.0.1.77", "default/a"),
            (drop.GetProperty("kind").GetString(), drop.GetProperty("dropReason").GetString(), drop.GetProperty("source").GetString(), drop.GetProperty("destination").GetString(), drop.GetProperty("port").GetString()));
        Assert.Equal((2, "Error: --related-to: 'x' is neither an address nor a CIDR\n"), Run(world, "monitor --related-to x"));
    }

    [Fact]
    public async Task Top_shows_one_page_where_there_is_no_terminal()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await ServeAsync(client);
        using Socket listener = world.Listen("b", 8080);
        using Process top = await StartAsync(world, client, 1, "top --interval 2");
        world.Connect("a", "10.2.0.1", 80, listener);
        Assert.False(world.Ping("a", "10.0.1.77"));
        (int code, string output) = Command.Finish(top);
        Assert.Equal(0, code);
        Assert.DoesNotContain('\e', output);
        Assert.StartsWith("west/west-worker   forwarded ", output, StringComparison.Ordinal);
        Assert.Matches(@"\nPORT +KIND +FROM IT +TO IT +\n", output);
        Assert.Matches(@"\ndefault/a +endpoint +\d+ packets/s +[\d.]+K?bit/s +\d+ packets/s +[\d.]+K?bit/s\n", output);
        Assert.Matches(@"\nSERVICE +NEW FLOWS\ndefault/web +\d/s\n", output);
        Assert.Matches(@"\nDROP REASON +PACKETS +BYTES\n(?:.+\n)*Stale or unroutable IP \(151\) +\d/s +\d+B/s\n", output);
    }

    private static Task<ChangeResult> ServeAsync(ControlClient client) => client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.12:8080"));

    /// <summary>Started, and listening.</summary>
    private static async Task<Process> StartAsync(World world, ControlClient client, ulong listeners, string arguments)
    {
        Process process = Command.Start("env", $"CMESH_RUN_DIR={world.RunDirectory} {Path.Combine(AppContext.BaseDirectory, "cmesh")} {arguments}");
        ulong seen = 0;
        await Eventually.TrueAsync(() => (seen = client.ListAsync(ControlKinds.Counter).ToBlockingEnumerable().First(c => c is { Scope: "event", Counter: "listeners" }).Value) == listeners, () => seen);
        return process;
    }

    private static (int Code, string Output) Run(World world, string arguments) =>
        Command.TryRun("env", $"CMESH_RUN_DIR={world.RunDirectory} {Path.Combine(AppContext.BaseDirectory, "cmesh")} {arguments}");

    [GeneratedRegex(@"10\.0\.1\.11:\d+")]
    private static partial Regex Port();
}
