using System.Net;
using ClusterMesh.Datapath.Agent.Probing;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Nodes that try each other over loopback: each is an address of 127.0.0.0/8 with a responder of its own.</summary>
public sealed class HealthTests : IAsyncDisposable
{
    private readonly int _port = EtcdServer.FreePort();
    private readonly List<HealthResponder> _responders = [];
    private readonly List<HealthProber> _probers = [];
    private readonly List<string> _log = [];

    [Fact]
    public async Task Both_directions_are_seen_from_both_ends()
    {
        HealthTarget west = new("west", "a", IPAddress.Parse("127.81.0.1"), null);
        HealthTarget east = new("east", "b", IPAddress.Parse("127.81.0.2"), IPAddress.Parse("127.81.0.3"));
        HealthProber atWest = Node(west, [west, east]);
        // East has another address of west, where nobody answers: the way back is broken.
        HealthProber atEast = Node(east, [west with { Address = IPAddress.Parse("127.81.0.9") }, east]);
        await atWest.ProbeAllAsync(CancellationToken.None);
        HealthRow first = atWest.Result.Rows.Single(r => r.Node == "b");
        Assert.Null(first.BackIcmp);
        await atEast.ProbeAllAsync(CancellationToken.None);
        await atWest.ProbeAllAsync(CancellationToken.None);

        HealthResult result = atWest.Result;
        Assert.Equal(["east/b", "west/a"], result.Rows.Select(r => $"{r.Cluster}/{r.Node}"));
        HealthRow row = result.Rows[0];
        Assert.True(row.NodeIcmp!.Milliseconds >= 0 && row.NodeHttp!.Milliseconds >= 0, $"{row}");
        Assert.Equal("127.81.0.3", row.EndpointAddress);
        Assert.True(row.EndpointIcmp!.Milliseconds >= 0, $"{row}");
        Assert.StartsWith("HTTP: ", row.EndpointHttp!.Problem);
        Assert.True(row.BackIcmp!.Milliseconds >= 0, "loopback answers for all of its addresses");
        Assert.StartsWith("HTTP: Connection refused", row.BackHttp!.Problem);
        Assert.InRange(row.BackAgeSeconds!.Value, 0, 30);
        Assert.True(result.Rows[1].IsLocal);
        Assert.NotNull(result.LastRound);
    }

    [Fact]
    public async Task A_node_without_answers_is_told_why_and_one_that_has_gone_is_forgotten()
    {
        List<HealthTarget> targets = [new("east", "b", IPAddress.Parse("127.81.1.2"), null)];
        HealthProber prober = Node(new HealthTarget("west", "a", IPAddress.Parse("127.81.1.1"), null), targets);
        await prober.ProbeAllAsync(CancellationToken.None);
        HealthRow row = Assert.Single(prober.Result.Rows);
        Assert.StartsWith("HTTP: Connection refused", row.NodeHttp!.Problem);
        Assert.Null(row.BackAgeSeconds);
        targets.Clear();
        await prober.ProbeAllAsync(CancellationToken.None);
        Assert.Empty(prober.Result.Rows);
    }

    [Fact]
    public async Task The_responder_answers_what_it_should_and_nothing_else()
    {
        HealthTarget self = new("west", "a", IPAddress.Parse("127.81.2.1"), null);
        await Node(self, [self]).ProbeAllAsync(CancellationToken.None);
        using HttpClient client = new() { BaseAddress = new Uri($"http://127.81.2.1:{_port}") };
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/hello")).StatusCode);
        Assert.Contains("\"node\":\"west/a\"", await client.GetStringAsync("/probes?node=west/a"));
        foreach (string path in (string[])["/", "/probes", "/probes?node=none", "/hello/x", "/probes?node=%00"])
        {
            Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(path)).StatusCode);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await client.DeleteAsync("/hello")).StatusCode);
    }

    [Fact]
    public void An_address_that_is_not_ours_is_said_and_the_others_answer()
    {
        HealthResponder responder = new([IPAddress.Parse("192.0.2.1"), IPAddress.Parse("127.81.3.1")], _port, _ => null, _log.Add);
        _responders.Add(responder);
        responder.Start();
        Assert.StartsWith($"health: 192.0.2.1:{_port} cannot be listened on (", Assert.Single(_log));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (HealthProber prober in _probers)
        {
            prober.Dispose();
        }

        foreach (HealthResponder responder in _responders)
        {
            await responder.DisposeAsync();
        }
    }

    private HealthProber Node(HealthTarget self, IReadOnlyList<HealthTarget> targets)
    {
        HealthProber prober = new(self.Key, new HealthSettings(_port, TimeSpan.FromMinutes(1)), () => targets, TimeProvider.System);
        HealthResponder responder = new([self.Address], _port, prober.ReportOf, _log.Add);
        responder.Start();
        _probers.Add(prober);
        _responders.Add(responder);
        return prober;
    }
}
