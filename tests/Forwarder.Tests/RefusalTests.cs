using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A change that is refused says so in one sentence and leaves everything as it was.</summary>
public sealed class RefusalTests
{
    [Fact]
    public async Task A_device_that_fails_leaves_nothing_half_applied()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        long version = (await client.GetStatusAsync()).ConfigurationVersion;
        string missing = world.Namespace("nowhere");
        ControlException refused = await Assert.ThrowsAsync<ControlException>(() => client.MergeAsync(world.Endpoint("c", "10.0.1.13"), world.Endpoint("nowhere", "10.0.1.14")));
        Assert.Equal(ErrorCode.DeviceFailed, refused.Code);
        Assert.Equal(
            $"default/nowhere: network namespace '{missing}' does not exist (/run/netns/{missing}); create it with: ip netns add {missing}; nothing was changed", refused.Message);
        Assert.False(world.HasInterface("c", "eth0"));
        StatusReport status = await client.GetStatusAsync();
        Assert.Equal((version, 2), (status.ConfigurationVersion, status.Endpoints));
        Assert.True(world.Ping("a", "10.0.1.12"));

        // A pod whose device had to make room comes back as it was.
        EndpointDocument changed = world.Endpoint("b", "10.0.1.99");
        refused = await Assert.ThrowsAsync<ControlException>(() => client.MergeAsync(changed, world.Endpoint("nowhere", "10.0.1.14")));
        Assert.Equal(ErrorCode.DeviceFailed, refused.Code);
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.Equal(version, (await client.GetStatusAsync()).ConfigurationVersion);
    }

    [Fact]
    public async Task Contradictions_are_InvalidConfiguration_and_unknown_names_NotFound()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        long version = (await client.GetStatusAsync()).ConfigurationVersion;
        ControlException refused = await Assert.ThrowsAsync<ControlException>(() => client.MergeAsync(world.Endpoint("c", "10.0.1.11")));
        Assert.Equal(ErrorCode.InvalidConfiguration, refused.Code);
        Assert.Equal("endpoints[0]: endpoint default/c: address 10.0.1.11 is that of endpoint default/a already; give each its own", refused.Message);
        refused = await Assert.ThrowsAsync<ControlException>(() => client.MergeAsync(world.Endpoint("c", "10.0.1.13") with { Name = "host" }));
        Assert.Equal("endpoints[0]: endpoint host: 'host' is the name of the node's own port; give the endpoint another one, such as default/host", refused.Message);
        refused = await Assert.ThrowsAsync<ControlException>(() => client.DeleteAsync("endpoint", ["default/a", "default/x"]));
        Assert.Equal((ErrorCode.NotFound, "there is no endpoint 'default/x'; nothing was deleted"), (refused.Code, refused.Message));
        refused = await Assert.ThrowsAsync<ControlException>(() => client.DeleteAsync("port", ["host"]));
        Assert.Equal((ErrorCode.InvalidParams, "kind: 'port' cannot be deleted; there are endpoint, node, route, service, ipcache, identity, policy"), (refused.Code, refused.Message));
        Assert.Equal(version, (await client.GetStatusAsync()).ConfigurationVersion);
        Assert.False(world.HasInterface("c", "eth0"));
        Assert.Equal("", forwarder.Errors);
    }

    [Theory]
    [InlineData("""{"mode":"merge","config":{"endpoint":[]}}""", "endpoint")]
    [InlineData("""{"mode":"merge"}""", "config")]
    [InlineData("""{"mode":"merge","config":null}""", "config")]
    [InlineData("""{"mode":"sometimes","config":{}}""", "mode")]
    [InlineData("""{"config":{"endpoints":[{"name":1}]}}""", "name")]
    public async Task Parameters_of_the_wrong_shape_are_InvalidParams(string parameters, string named)
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        JsonNode error = (await AskAsync(world, """{"jsonrpc":"2.0","id":1,"method":"apply","params":""" + parameters + "}"))["error"]!;
        Assert.Equal((int)ErrorCode.InvalidParams, (int)error["code"]!);
        Assert.Contains(named, (string)error["message"]!);
        Assert.Equal("", forwarder.Errors);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("""[null]""")]
    [InlineData("""[{"name":null,"namespace":null,"interface":null,"addresses":null}]""")]
    [InlineData("""[{"name":"default/x","namespace":"x","addresses":[null]}]""")]
    public async Task Nulls_never_reach_the_program_as_faults(string endpoints)
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        JsonNode answer = await AskAsync(world, """{"jsonrpc":"2.0","id":1,"method":"apply","params":{"mode":"merge","config":{"endpoints":""" + endpoints + "}}}");
        Assert.NotEqual((int)ErrorCode.InternalError, (int?)answer["error"]?["code"] ?? 0);
        Assert.Equal("", forwarder.Errors);
    }

    private static async Task<JsonNode> AskAsync(World world, string line)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(world.SocketPath));
        await using NetworkStream stream = new(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
        using StreamReader reader = new(stream);
        return JsonNode.Parse((await reader.ReadLineAsync())!)!;
    }
}
