using System.Text.Json;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>Counts the allocations of the whole process, so nothing may run beside it.</summary>
[Collection("alone")]
public sealed class MemoryTests
{
    [Fact]
    public async Task Ten_thousand_services_are_read_within_bounded_memory()
    {
        await using TestServer server = new TestServer().Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        ChangeDocument change = TestServer.Services(10_000, 4);
        byte[] request = JsonSerializer.SerializeToUtf8Bytes(new ApplyRequest(ApplyMode.Merge, change), ControlJson.Default.ApplyRequest);
        Assert.Equal(40_000, await ChangeAsync(client, change));
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Assert.Equal(40_000, await ChangeAsync(client, change));
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.True(
            allocated < 8L * request.Length, $"{allocated} bytes were allocated for a request of {request.Length}");
    }

    private static async Task<int> ChangeAsync(ControlClient client, ChangeDocument change)
    {
        Messages.ApplyRequest request = new(Messages.ApplyMode.Merge, change);
        return (await client.CallAsync("change", request, ControlJson.Default.ApplyRequest, ControlJson.Default.ChangeResult)).Changed;
    }
}
