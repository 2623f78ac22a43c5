using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A pod whose device or namespace is taken away goes down alone, and comes back when it is applied again.</summary>
public sealed class DeviceLossTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_deleted_device_takes_only_its_port_down()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(world.Endpoint("c", "10.0.1.13"));
        world.Ip("b", "link del eth0");
        await DownAsync(client, "default/b").WaitAsync(s_limit);
        Assert.Equal(["default/a up", "default/b down", "default/c up"], await StatesAsync(client));
        Assert.True(world.Ping("a", "10.0.1.13"));
        Assert.False(world.Ping("a", "10.0.1.12"));
        Assert.True(await DroppedAsync(client, DropReason.EgressRefused) > 0, "a packet for a port that is down has no reason");
        Assert.Equal(1, (await client.MergeAsync(world.Endpoint("b", "10.0.1.12"))).Changed);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Equal(0, (await client.MergeAsync(world.Endpoint("b", "10.0.1.12"))).Changed);
    }

    [Fact]
    public async Task A_deleted_namespace_takes_only_its_port_down_and_a_new_one_is_taken_up()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(world.Endpoint("c", "10.0.1.13"));
        world.Remove("b");
        await DownAsync(client, "default/b").WaitAsync(s_limit);
        Assert.Equal(["default/a up", "default/b down", "default/c up"], await StatesAsync(client));
        PortRow port = (await client.ListAsync(ControlKinds.Port).ToListAsync()).Single(p => p.Name == "default/b");
        Assert.StartsWith("down: ", port.State);
        Assert.True(world.Ping("a", "10.0.1.13"));
        ControlException refused = await Assert.ThrowsAsync<ControlException>(() => client.MergeAsync(world.Endpoint("b", "10.0.1.12")));
        Assert.Equal(ErrorCode.DeviceFailed, refused.Code);

        world.Add("b");
        Assert.Equal(1, (await client.MergeAsync(world.Endpoint("b", "10.0.1.12"))).Changed);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Equal(["default/a up", "default/b up", "default/c up"], await StatesAsync(client));
    }

    private static async Task<ulong> DroppedAsync(ControlClient client, DropReason reason) => (await client.ListAsync(ControlKinds.Counter).ToListAsync())
        .Where(c => c.Scope == "drop" && c.Counter == "packets" && c.Name == $"{DropReasons.TextOf(reason)} ({(byte)reason})")
        .Aggregate(0ul, (sum, c) => sum + c.Value);

    private static async Task<string[]> StatesAsync(ControlClient client) =>
        [.. (await client.ListAsync(ControlKinds.Endpoint).ToListAsync()).Select(e => $"{e.Name} {e.State}")];

    private static async Task DownAsync(ControlClient client, string name)
    {
        await foreach (var happened in client.WatchAsync(ControlKinds.Port, TimeSpan.FromMilliseconds(100)))
        {
            if (happened.Object is { } port && port.Name == name && port.State.StartsWith("down", StringComparison.Ordinal))
            {
                return;
            }
        }
    }
}
