using System.Diagnostics;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Two clusters, each a real etcd, an agent and a forwarder's socket, joined by their directories: the walk-through's control plane.</summary>
public sealed class MeshTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-agent-").FullName;
    private readonly List<string> _log = [];
    private Side _west = null!;
    private Side _east = null!;

    public async ValueTask InitializeAsync()
    {
        _west = new Side(_root, "west", 1, "172.18.0.5", "10.0.1.0/24", Log);
        _east = new Side(_root, "east", 2, "172.18.0.2", "10.1.1.0/24", Log);
        await _west.StartAsync();
        await _east.StartAsync();
    }

    [Fact]
    public async Task The_walk_through()
    {
        // Before the mesh: nothing of the other cluster.
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await _east.ApplyAsync(Side.Webpod("10.1.1.", "10.3.193.106"));
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80" && _east.Backends == "10.1.1.1:80 10.1.1.2:80");
        Assert.Equal("", _west.Forwarder.Nodes);
        Assert.Empty((await _west.StatusAsync()).Clusters);

        _west.Connect(_east);
        _east.Connect(_west);
        await UntilAsync(() => _west.Forwarder.Nodes == "east/east-worker 172.18.0.2 10.1.1.0/24" && _east.Forwarder.Nodes == "west/west-worker 172.18.0.5 10.0.1.0/24");
        Assert.Equal((2, 1), (_west.Forwarder.Document.Nodes!.Single().ClusterId, _east.Forwarder.Document.Nodes!.Single().ClusterId));
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80" && _east.Backends == "10.1.1.1:80 10.1.1.2:80 west/10.0.1.1:80 west/10.0.1.2:80");
        AgentStatus status = await _west.StatusAsync();
        RemoteClusterRow east = Assert.Single(status.Clusters);
        Assert.Equal((true, 1, 2, 1, 1, 2L, 1), (east.Ready, east.Nodes, east.Endpoints, east.Identities, east.Services, east.ClusterId, status.GlobalServices));
        Assert.InRange(east.DataAgeSeconds!.Value, 0, 60);

        // Scale to nothing and back.
        await _west.CallAsync("scale", new ScaleRequest("default/webpod", 0), AgentJson.Default.ScaleRequest);
        await UntilAsync(() => _west.Backends == "east/10.1.1.1:80 east/10.1.1.2:80" && _east.Backends == "10.1.1.1:80 10.1.1.2:80");
        await _west.CallAsync("scale", new ScaleRequest("default/webpod", 2), AgentJson.Default.ScaleRequest);
        await UntilAsync(() => _east.Backends == "10.1.1.1:80 10.1.1.2:80 west/10.0.1.1:80 west/10.0.1.2:80");

        // Affinity: the forwarder has all backends and the annotation, by which it chooses and marks them.
        const string All = "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80";
        foreach (string affinity in (string[])["remote", "local", "none"])
        {
            await _west.AnnotateAsync("service.cilium.io/affinity", affinity);
            await UntilAsync(() => _west.Forwarder.Annotation("default/webpod", "service.cilium.io/affinity") == affinity && _west.Backends == All);
        }

        await _west.AnnotateAsync("service.cilium.io/affinity", "nearby");
        await UntilAsync(() => _west.Forwarder.Annotation("default/webpod", "service.cilium.io/affinity") is null && _west.Backends == All);
        Assert.Contains("service default/webpod: annotation service.cilium.io/affinity has no value 'nearby'; it is left out", (await _west.StatusAsync()).Warnings);

        // Not shared: ours are ours alone, theirs are still used.
        await _west.AnnotateAsync("service.cilium.io/shared", "false");
        await UntilAsync(() => _east.Backends == "10.1.1.1:80 10.1.1.2:80");
        Assert.Equal("10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80", _west.Backends);

        // Disconnect: the other cluster is gone, and nothing else.
        File.Delete(Path.Combine(_west.RemoteDirectory, "east"));
        await UntilAsync(() => _west.Forwarder.Nodes == "" && _west.Backends == "10.0.1.1:80 10.0.1.2:80");
        Assert.Equal("west/west-worker 172.18.0.5 10.0.1.0/24", _east.Forwarder.Nodes);
    }

    [Fact]
    public async Task A_change_in_one_cluster_is_in_the_others_forwarder_within_milliseconds()
    {
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await _east.ApplyAsync(Side.Webpod("10.1.1.", "10.3.193.106"));
        _west.Connect(_east);
        await UntilAsync(() => _west.Backends.EndsWith("east/10.1.1.2:80", StringComparison.Ordinal));
        List<double> times = [];
        for (int i = 0; i < 20; i++)
        {
            string wanted = i % 2 == 0 ? "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80" : "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80";
            Stopwatch watch = Stopwatch.StartNew();
            await _east.CallAsync("scale", new ScaleRequest("default/webpod", i % 2 == 0 ? 1 : 2), AgentJson.Default.ScaleRequest);
            await UntilAsync(() => _west.Backends == wanted);
            times.Add(watch.Elapsed.TotalMilliseconds);
        }

        times.Sort();
        TestContext.Current.SendDiagnosticMessage($"east's change in west's forwarder: median {times[10]:0} ms, longest {times[^1]:0} ms");
        Assert.InRange(times[10], 0, 500);
    }

    [Fact]
    public async Task A_restarted_forwarder_is_told_everything_again()
    {
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80");
        await _west.RestartForwarderAsync(null);
        Assert.Equal("", _west.Backends);
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80");
    }

    /// <summary>The agent comes back while the other cluster is away: what the forwarder has of it stays, and what it should not have goes once it is back.</summary>
    [Fact]
    public async Task A_restarted_agent_takes_nothing_away_before_it_knows_better()
    {
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await _east.ApplyAsync(Side.Webpod("10.1.1.", "10.3.193.106"));
        _west.Connect(_east);
        const string Both = "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80";
        const string EastNode = "east/east-worker 172.18.0.2 10.1.1.0/24";
        await UntilAsync(() => _west.Backends == Both && _west.Forwarder.Nodes == EastNode);
        await _west.StopAgentAsync();
        await _east.Etcd.KillAsync();
        int pushes = _west.Forwarder.Modes.Count;
        await _west.StartAgentAsync();
        await UntilAsync(() => _west.Forwarder.Modes.Count > pushes);
        Assert.Equal(Both, _west.Backends);
        Assert.Equal(EastNode, _west.Forwarder.Nodes);
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult().Clusters is [{ Problem: not null, Ready: false }]);
        Assert.Equal(Both, _west.Backends);
    }

    [Fact]
    public async Task An_object_that_the_forwarder_refuses_does_not_keep_the_others_out()
    {
        _west.Forwarder.RefusedService = "default/other";
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await _west.ApplyAsync("kind: Service\nmetadata: {name: other}\nspec: {clusterIP: 10.2.0.9, ports: [{port: 80}]}\n");
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80" && _log.ToArray().Any(l => l.Contains("refused and left out", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Manifests_over_the_socket_hold_whole_or_not_at_all()
    {
        ControlException refusal = await Assert.ThrowsAsync<ControlException>(() => _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148") + "\n---\nkind: Service\nmetadata: {name: b}\nspec: {prots: []}\n"));
        Assert.Equal(ErrorCode.InvalidConfiguration, refusal.Code);
        Assert.EndsWith("spec.prots: unknown field; did you mean 'ports'?", refusal.Message);
        ObjectResult none = await _west.GetAsync("services");
        Assert.Empty(none.Objects);
        ManifestResult made = await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        Assert.Equal(["deployment/default/webpod created", "service/default/webpod created", "pod/default/webpod-1 created", "pod/default/webpod-2 created"], made.Objects);
        made = await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.149"));
        Assert.Equal(["deployment/default/webpod unchanged", "service/default/webpod configured", "pod/default/webpod-1 unchanged", "pod/default/webpod-2 unchanged"], made.Objects);
        refusal = await Assert.ThrowsAsync<ControlException>(() => _west.CallAsync("delete", new ObjectRequest("services", ["default/none"]), AgentJson.Default.ObjectRequest));
        Assert.Equal("there is no service/default/none", refusal.Message);
        await _west.CallAsync("delete", new ObjectRequest("services", ["default/webpod"]), AgentJson.Default.ObjectRequest);
        await UntilAsync(() => _west.Forwarder.Document.Services!.Count == 0);
    }

    [Fact]
    public async Task With_kvstoremesh_the_own_etcd_is_read()
    {
        await _west.StopAgentAsync();
        _west.Settings = _west.Settings with { Kvstoremesh = true };
        await _west.StartAgentAsync();
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await _east.ApplyAsync(Side.Webpod("10.1.1.", "10.3.193.106"));
        _west.Connect(_east);
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80" && _west.Forwarder.Nodes == "east/east-worker 172.18.0.2 10.1.1.0/24");
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult().Clusters is [{ Kvstoremesh: true, Ready: true }]);
    }

    [Fact]
    public async Task What_is_left_out_of_a_request_may_be_left_out()
    {
        await using ControlClient client = await ControlClient.ConnectAsync(_west.Settings.SocketPath, TimeSpan.FromSeconds(20));
        TextResult text = await client.CallAsync("troubleshoot", new ClusterRequest(), AgentJson.Default.ClusterRequest, AgentJson.Tolerant.TextResult);
        Assert.Equal("Found 0 cluster configurations", text.Lines[0]);
        ControlException refusal = await Assert.ThrowsAsync<ControlException>(() =>
            client.CallAsync("enable", new EnableRequest(), AgentJson.Default.EnableRequest, AgentJson.Tolerant.EnableResult));
        Assert.Equal("the agent's file names no directory in clustermesh.pki; add one", refusal.Message);
    }

    [Fact]
    public async Task Another_id_or_size_on_the_same_store_is_refused()
    {
        await UntilAsync(() => _west.Forwarder.Modes.Count > 0);
        await _west.StopAgentAsync();
        _west.Settings = _west.Settings with { ClusterId = 3, MaxConnectedClusters = 511 };
        await _west.StartAgentAsync();
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => _west.Agent.Ended.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Contains("'west 1 255', the agent's file says 'west 3 511'; they are fixed at install", fault.Message);
    }

    [Fact]
    public async Task A_cluster_that_claims_our_pods_is_left_out_with_a_warning()
    {
        await _east.StopAgentAsync();
        _east.Settings = _east.Settings with { PodCidrs = ["10.0.0.0/16"] };
        await _east.StartAgentAsync();
        _west.Connect(_east);
        const string Warning = "pod CIDR 10.0.0.0/16 of east/east-worker overlaps one of west/west-worker and is left out; give each node a range of its own";
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult().Warnings.Contains(Warning));
        Assert.Equal("east/east-worker 172.18.0.2 ", _west.Forwarder.Nodes);
    }

    public async ValueTask DisposeAsync()
    {
        await _west.DisposeAsync();
        await _east.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private void Log(string line)
    {
        lock (_log)
        {
            _log.Add(line);
        }
    }

    private Task UntilAsync(Func<bool> condition) => Eventually.TrueAsync(
        condition, () => $"west: {_west.Forwarder.Nodes} | {_west.Backends}\neast: {_east.Forwarder.Nodes} | {_east.Backends}\n{string.Join('\n', _log.ToArray())}");
}
