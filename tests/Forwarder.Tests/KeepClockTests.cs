namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A kept node that is started again where the clocks stand elsewhere: a container's time namespace is another each time it is restored.</summary>
public sealed class KeepClockTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(0, 10_000)]
    [InlineData(10_000, 0)]
    [InlineData(20_000, 10_000)]
    public async Task Flows_go_on_where_the_monotonic_clock_stands_elsewhere(int before, int after)
    {
        Assert.SkipUnless(File.Exists("/proc/self/timens_offsets"), "this kernel has no time namespaces");
        using World world = new();
        using KeepDirectory keep = new();
        string arguments = $"--config {world.NodeFile()} --keep {keep.Path}";
        ForwarderProcess killed = await ForwarderProcess.StartAheadAsync(world, arguments, before);
        await KeepTests.ApplyServiceAsync(world);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b");
        (int code, _, string errors) = await ForwarderProcess.RunAheadAsync(world, arguments, after);
        Assert.Equal(1, code);
        Assert.Contains($"belong to process {killed.Id}, which runs", errors);
        killed.Signal("KILL");
        await killed.EndAsync();
        killed.Dispose();
        using ForwarderProcess next = await ForwarderProcess.StartAheadAsync(world, arguments, after);
        await connections.EchoAllAsync().WaitAsync(s_limit);
        Assert.Equal(0, connections.LostCount);
        Assert.Matches(@"generation 2: [34]\d\d flows and 1\d\d SNAT mappings go on; 0 entries were over, 0 of pods or services that are gone, 0 without their counterpart, \d broken", next.Errors);
    }
}
