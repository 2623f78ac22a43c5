namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A node that goes on with other numbers of workers and other sizes of tables than before: killed and started again, or taken over.</summary>
public sealed class KeepConversionTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    public async Task Connections_survive_a_kill_and_another_number_of_workers(int before, int after)
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path} --workers ";
        ForwarderProcess killed = await ForwarderProcess.StartAsync(world, arguments + before, world.SocketPath);
        await KeepTests.ApplyServiceAsync(world);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b");
        string links = KeepTests.Links(world);
        killed.Signal("KILL");
        await killed.EndAsync();
        killed.Dispose();
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, arguments + after, world.SocketPath);
        await connections.EchoAllAsync().WaitAsync(s_limit);
        Assert.Equal(0, connections.LostCount);
        Assert.Equal(links, KeepTests.Links(world));
        string taken = before == after ? @"taken up" : $@"converted \({before} workers instead of {after}, other sizes\)";
        Assert.Matches(@$"flow tables \S+ {taken} in \S+ ms, generation 2: [34]\d\d flows and 1\d\d SNAT mappings go on;", next.Errors);
        await AssertNewFlowsAsync(world);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 3)]
    [InlineData(3, 1)]
    public async Task Connections_survive_a_takeover_by_another_number_of_workers(int before, int after)
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path} --workers ";
        using ForwarderProcess old = await ForwarderProcess.StartAsync(world, arguments + before, world.SocketPath);
        await KeepTests.ApplyServiceAsync(world);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b");
        string links = KeepTests.Links(world);
        using PacedDatagrams datagrams = new(world, "a", "world", World.WorldAddress);
        await datagrams.StartedAsync.WaitAsync(s_limit);
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, $"{arguments}{after} --takeover", world.SocketPath);
        Assert.Equal(0, await old.EndAsync());
        await connections.EchoAllAsync().WaitAsync(s_limit);
        (long sent, long received) = await datagrams.EndAsync();
        TestContext.Current.SendDiagnosticMessage($"{before} to {after} workers: {sent - received} of {sent} datagrams lost; {next.Errors}");
        Assert.Equal(0, connections.LostCount);
        Assert.Equal(links, KeepTests.Links(world));
        Assert.True(received == sent || after < before, $"{sent - received} of {sent} datagrams were lost"); // A queue that goes takes what waits in it.
        Assert.Contains("took over from process", next.Errors);
        await AssertNewFlowsAsync(world);
        next.Signal("TERM");
        Assert.Equal(0, await next.EndAsync());
        Assert.Empty(keep.Files);
    }

    [Fact]
    public async Task A_takeover_with_other_tables_converts_them()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--keep {keep.Path} --workers 1";
        using ForwarderProcess old = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} {arguments}", world.SocketPath);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b", service: false);
        string links = KeepTests.Links(world);
        string larger = WithTables(world, 100_000, 70_000);
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, $"--config {larger} {arguments} --takeover", world.SocketPath);
        Assert.Equal(0, await old.EndAsync());
        await connections.EchoAllAsync().WaitAsync(s_limit);
        Assert.Equal(0, connections.LostCount);
        Assert.Equal(links, KeepTests.Links(world));
        Assert.Matches(@"flow tables \S+ converted \(other sizes\) in \S+ ms, generation 2: [12]\d\d flows and 1\d\d SNAT mappings go on;.* 0 found no room, 0 with a port", next.Errors);
    }

    [Fact]
    public async Task Workers_that_a_TAP_has_no_queues_for_are_refused_or_get_a_new_one()
    {
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path} --workers ";
        ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, arguments + 1, world.SocketPath);
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, arguments + "3 --takeover");
        Assert.Equal(1, code);
        Assert.Matches(@"is not set up as this forwarder wants it \(it has one queue, and 3 workers want one each\), and cannot be taken over; the other forwarder goes on", errors);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Equal("", forwarder.Errors);
        forwarder.Signal("KILL");
        await forwarder.EndAsync();
        forwarder.Dispose();
        using ForwarderProcess next = await ForwarderProcess.StartAsync(world, arguments + 3, world.SocketPath);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Contains("converted (1 workers instead of 3, other sizes)", next.Errors);
    }

    private static string WithTables(World world, int conntrack, int snat)
    {
        string path = Path.Combine(world.RunDirectory, "other.yaml");
        File.WriteAllText(path, File.ReadAllText(world.NodeFile())
            .Replace("conntrackEntries: 65536", $"conntrackEntries: {conntrack}", StringComparison.Ordinal).Replace("snatEntries: 65536", $"snatEntries: {snat}", StringComparison.Ordinal));
        return path;
    }

    private static async Task AssertNewFlowsAsync(World world)
    {
        await using EchoConnections more = await EchoConnections.OpenAsync(world, "world", "b", port: 1);
        await more.EchoAllAsync().WaitAsync(s_limit);
        Assert.Equal(0, more.LostCount);
    }
}
