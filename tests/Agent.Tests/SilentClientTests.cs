using System.Net.Sockets;
using ClusterMesh.Datapath.Forwarder.Tests;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Clients that come to what the agent serves and never say a word.</summary>
public sealed class SilentClientTests
{
    private const int Most = 128;
    private const int Beyond = 172;

    [Theory]
    [InlineData("hubble.sock")]
    [InlineData("api.sock")]
    public async Task So_many_stay_and_the_rest_is_closed(string name)
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        using AgentProcess agent = await AgentProcess.StartAsync(world);
        Socket[] clients = [.. Enumerable.Range(0, Most + Beyond).Select(_ => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))];
        try
        {
            Assert.All(clients, c => c.Connect(new UnixDomainSocketEndPoint(Path.Combine(agent.Directory, name))));
            await Eventually.TrueAsync(() => ClosedCount(clients) == Beyond, () => $"{ClosedCount(clients)} of {clients.Length} are closed, {Beyond} are to be; {agent.Errors}");
        }
        finally
        {
            Array.ForEach(clients, c => c.Dispose());
        }

        string said = "";
        await Eventually.TrueAsync(() => (said = agent.Run("hubble status").Output).Contains("Healthcheck: Ok", StringComparison.Ordinal), () => said + agent.Errors);
        Assert.Equal("", agent.Errors.Trim());
        Assert.Equal(0, await agent.StopAsync());
    }

    /// <summary>The server says nothing of itself: what can be read is an end.</summary>
    private static int ClosedCount(Socket[] clients) => clients.Count(c => c.Poll(0, SelectMode.SelectRead));
}
