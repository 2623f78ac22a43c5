using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>The commands that ask agents, and their pages in Cilium's form.</summary>
public sealed class MeshCommandTests : IAsyncDisposable
{
    private readonly FakeForwarder _fake = new();
    private readonly List<ControlServer> _agents = [];
    private readonly List<string> _asked = [];

    private static RemoteClusterRow East { get; } = new(
        "east", true, true, 2, 4, 3, 0, 0, true, 2, false, true, "disabled", "c6ba18866da7dfd8", true, true, true, true, 0, null, 3.2, null);

    private static AgentStatus West { get; } = new(
        "0.1.0", "west-worker", "west", 1, 255, "http://127.0.0.1:2379", true, true, false, "/run/cmesh/west-west-worker/control.sock", true, 4, 0, [East], []);

    private static AccessDocument Access { get; } = new("west", 1, 255, "native", ["10.0.0.0/24"], "https://west.mesh.cilium.io:32379", "172.18.0.4", "CA", "CERT", "KEY");

    [Fact]
    public void The_block_of_status_verbose() => Assert.Equal(
    [
        "   east: ready, 2 nodes, 4 endpoints, 3 identities, 0 services, 0 MCS-API service exports, 0 reconnections (last: never)",
        "   └  etcd: 1/1 connected, leases=0, lock leases=0, has-quorum=true: endpoint status checks are disabled, ID: c6ba18866da7dfd8",
        "   └  remote configuration: expected=true, retrieved=true, cluster-id=2, kvstoremesh=false, sync-canaries=true, service-exports=disabled",
        "   └  synchronization status: nodes=true, endpoints=true, identities=true, services=true",
        "   └  data: last heard 3s ago",
    ], MeshText.Clusters(West, DateTimeOffset.UnixEpoch));

    [Fact]
    public void A_cluster_that_is_away_says_why_and_how_old_its_data_are()
    {
        RemoteClusterRow away = East with
        {
            Ready = false,
            Connected = false,
            Failures = 3,
            LastFailure = DateTimeOffset.UnixEpoch,
            DataAgeSeconds = 4000,
            Problem = "https://east:32379: Connection refused",
        };
        Assert.Equal(
        [
            "   east: not-ready, 2 nodes, 4 endpoints, 3 identities, 0 services, 0 MCS-API service exports, 3 reconnections (last: 1m5s ago)",
            "   └  https://east:32379: Connection refused",
            "   └  remote configuration: expected=true, retrieved=true, cluster-id=2, kvstoremesh=false, sync-canaries=true, service-exports=disabled",
            "   └  synchronization status: nodes=true, endpoints=true, identities=true, services=true",
            "   └  data: last heard 1h6m40s ago",
            "   Warning: mind this",
        ], MeshText.Clusters(West with { Clusters = [away], Warnings = ["mind this"] }, DateTimeOffset.UnixEpoch.AddSeconds(65)));
    }

    [Fact]
    public void Health_in_both_directions()
    {
        ProbeResult well = new(0.25);
        ProbeResult lost = new(null, "no HTTP answer within 3 s");
        HealthResult health = new(true, 60, new DateTimeOffset(2026, 11, 23, 5, 2, 7, TimeSpan.Zero),
        [
            new HealthRow("east", "east-worker", "172.18.0.2", false, well, well, "10.1.1.20", well, lost, well, lost, 12, 3),
            new HealthRow("west", "west-worker", "172.18.0.5", true, well, well, null, null, null, null, null, null, 3),
        ]);
        Assert.Equal(
        [
            "Cluster health:          1/2 reachable   (2026-11-23T05:02:07Z)",
            "  Name                           IP           Node        Endpoints                           From there",
            "  east/east-worker               172.18.0.2   reachable   partly: no HTTP answer within 3 s   partly: no HTTP answer within 3 s",
            "  west/west-worker (localhost)   172.18.0.5   reachable   -                                   -",
        ], HealthText.Block(health).Select(l => l.TrimEnd()));
        Assert.Equal(
        [
            "Probe time:   2026-11-23T05:02:07Z", "Nodes:", "  east/east-worker:", "    Host connectivity to 172.18.0.2:", "      ICMP to stack:   OK, RTT=0.25ms", "      HTTP to agent:   OK, RTT=0.25ms",
            "    Endpoint connectivity to 10.1.1.20:", "      ICMP to stack:   OK, RTT=0.25ms", "      HTTP to agent:   no HTTP answer within 3 s",
            "    From there to here, 12s ago:", "      ICMP to stack:   OK, RTT=0.25ms", "      HTTP to agent:   no HTTP answer within 3 s",
            "  west/west-worker (localhost):", "    Host connectivity to 172.18.0.5:", "      ICMP to stack:   OK, RTT=0.25ms", "      HTTP to agent:   OK, RTT=0.25ms",
        ], HealthText.Page(health));
        Assert.False(HealthText.IsWell(health));
    }

    [Fact]
    public async Task Clustermesh_status_is_the_page_of_the_walk_through()
    {
        Agent("west", "west-worker", () => West);
        Agent("west", "west-control-plane", () => West with { Node = "west-control-plane" });
        (int code, string output, string error) = await _fake.RunAsync("clustermesh", "status", "--context", "west", "--wait");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal("""
            ✅ Service "clustermesh-apiserver" of type "NodePort" found
            ✅ Cluster access information is available:
              - 172.18.0.4:32379
            ✅ Deployment clustermesh-apiserver is ready
            ℹ️  KVStoreMesh is disabled

            ✅ All 2 nodes are connected to all clusters [min:1 / avg:1.0 / max:1]

            🔌 Cluster Connections:
              - east: 2/2 configured, 2/2 connected

            🔀 Global services: [ min:0 / avg:0.0 / max:0 ]

            """.ReplaceLineEndings("\n"), output);
    }

    [Fact]
    public async Task A_missing_connection_is_an_error_and_is_waited_for()
    {
        int asked = 0;
        AgentStatus away = West with { Clusters = [East with { Ready = false, ServicesSynced = false }] };
        Agent("west", "west-worker", () => Interlocked.Increment(ref asked) > 2 ? West : away);
        (int code, string output, string _) = await _fake.RunAsync("clustermesh", "status");
        Assert.Equal(1, code);
        Assert.Contains("⚠️  1/1 nodes are not connected to all clusters [min:0 / avg:0.0 / max:0]\n", output);
        Assert.Contains("❌ 1 Errors:\n  ❌ west-worker is not connected to cluster east: synchronization in progress for services\n     💡 Run 'cmesh clustermesh troubleshoot' to investigate the cause\n", output);
        (code, output, string error) = await _fake.RunAsync("clustermesh", "status", "--wait");
        Assert.Equal(0, code);
        Assert.Contains("for clusters to be connected: 1 nodes are not ready", error);
        Assert.Contains("✅ All 1 nodes are connected", output);
    }

    [Fact]
    public async Task Status_verbose_shows_the_agents_clusters()
    {
        _fake.With("west", "west-worker");
        Agent("west", "west-worker", () => West);
        (int code, string output, string error) = await _fake.RunAsync("status", "--verbose");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("\nClusterMesh:   1/1 remote clusters ready, 0 global-services\n   east: ready, 2 nodes, ", output);
    }

    [Fact]
    public async Task Connect_writes_both_sides_and_says_so()
    {
        Agent("west", "west-worker", () => West);
        Agent("east", "east-worker", () => West, Access with { Cluster = "east", ClusterId = 2, PodCidrs = ["10.1.0.0/24"], Endpoint = "https://east.mesh.cilium.io:32379", Address = "172.18.0.3" });
        (int code, string output, string error) = await _fake.RunAsync("clustermesh", "connect", "--context", "west", "--destination-context", "east");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal("""
            ✨ Extracting access information of cluster west...
            🔑 Extracting secrets from cluster west...
            ⚠️ Service type NodePort detected! Service may fail when nodes are removed from the cluster!
            ℹ️ Found ClusterMesh service IPs: [172.18.0.4]
            ✨ Extracting access information of cluster east...
            🔑 Extracting secrets from cluster east...
            ⚠️ Service type NodePort detected! Service may fail when nodes are removed from the cluster!
            ℹ️ Found ClusterMesh service IPs: [172.18.0.3]
            ℹ️ Configuring Cilium in cluster west to connect to cluster east
            ℹ️ Configuring Cilium in cluster east to connect to cluster west
            ✅ Connected cluster west <=> east!

            """.ReplaceLineEndings("\n"), output);
        Assert.Equal(["west connects to east", "east connects to west"], _asked);
    }

    [Theory]
    [InlineData("east", 1, 255, "native", "10.1.0.0/16", "remote and local cluster have the same, non-unique ID: 1")]
    [InlineData("west", 2, 255, "native", "10.1.0.0/16", "remote and local cluster have the same, non-unique name: west")]
    [InlineData("default", 2, 255, "native", "10.1.0.0/16", "remote cluster has non-unique name (default) and/or ID (2)")]
    [InlineData("east", 0, 255, "native", "10.1.0.0/16", "remote cluster has non-unique name (east) and/or ID (0)")]
    [InlineData("east", 300, 511, "native", "10.1.0.0/16", "remote cluster has cluster ID 300 out of acceptable range (1-255)")]
    [InlineData("east", 2, 511, "native", "10.1.0.0/16", "remote and local clusters have different max connected clusters: 511 != 255")]
    [InlineData("east", 2, 255, "vxlan", "10.1.0.0/16", "remote and local clusters have different datapath modes: vxlan != native; both must be native or both vxlan")]
    [InlineData("east", 2, 255, "native", "10.0.0.0/16", "pod CIDR 10.0.0.0/24 of cluster west overlaps 10.0.0.0/16 of cluster east; clusters of a mesh need ranges of their own")]
    public async Task Clusters_that_cannot_be_joined_are_refused_and_nothing_is_written(string name, int id, int max, string mode, string cidr, string sentence)
    {
        Agent("west", "west-worker", () => West);
        Agent("east", "east-worker", () => West, Access with { Cluster = name, ClusterId = id, MaxConnectedClusters = max, RoutingMode = mode, PodCidrs = [cidr] });
        (int code, string _, string error) = await _fake.RunAsync("clustermesh", "connect", "--context", "west", "--destination-context", "east");
        Assert.Equal((1, $"Error: {sentence}\n"), (code, error));
        Assert.Empty(_asked);
    }

    [Fact]
    public void Another_ca_is_a_warning() => Assert.Equal(
        ["⚠️ Cilium CA certificates do not match between clusters. Multicluster features will be limited!"],
        MeshChecks.Check(Access, Access with { Cluster = "east", ClusterId = 2, PodCidrs = [], CaCertificate = "other" }));

    [Fact]
    public async Task Manifests_go_to_the_agent()
    {
        _fake.With("west", "west-worker");
        Agent("west", "west-worker", () => West);
        string file = Path.Combine(_fake.RunDirectory, "webpod.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Service\n");
        Assert.Equal((0, "service/default/webpod created\n", ""), await _fake.RunAsync("apply", "-f", file));
        Assert.Equal((0, "scaled default/webpod 0\n", ""), await _fake.RunAsync("scale", "deployment", "webpod", "--replicas", "0"));
        Assert.Equal((0, "annotated default/webpod a=b c= True\n", ""), await _fake.RunAsync("annotate", "service", "webpod", "a=b", "c-", "--overwrite"));
        Assert.Empty(_fake.Changes);
    }

    [Fact]
    public async Task Without_an_agent_it_says_where_it_looked() => Assert.Equal(
        (1, "", $"Error: no agent of cluster \"west\" is there: nothing matches {_fake.RunDirectory}/west*/agent.sock; start one with cmesh-agent --config FILE\n"),
        await _fake.RunAsync("clustermesh", "status", "--context", "west"));

    public async ValueTask DisposeAsync()
    {
        foreach (ControlServer agent in _agents)
        {
            await agent.DisposeAsync();
        }

        await _fake.DisposeAsync();
    }

    private void Agent(string cluster, string node, Func<AgentStatus> status, AccessDocument? access = null)
    {
        ControlServer server = new(Path.Combine(_fake.RunDirectory, $"{cluster}-{node}", "agent.sock"));
        server.Map("status", ControlRole.Reader, ControlJson.Default.NoContent, AgentJson.Default.AgentStatus, (_, _) => new(status()));
        server.Map("access", ControlRole.Admin, ControlJson.Default.NoContent, AgentJson.Default.AccessDocument, (_, _) => new(access ?? Access));
        server.Map("connect", ControlRole.Admin, AgentJson.Default.AccessDocument, AgentJson.Default.TextResult, (r, _) =>
        {
            _asked.Add($"{cluster} connects to {r.Cluster}");
            return new(new TextResult([]));
        });
        server.Map("apply", ControlRole.Admin, AgentJson.Default.ManifestRequest, AgentJson.Default.ManifestResult, (_, _) => new(new ManifestResult(["service/default/webpod created"])));
        server.Map("scale", ControlRole.Admin, AgentJson.Default.ScaleRequest, AgentJson.Default.ManifestResult, (r, _) => new(new ManifestResult([$"scaled {r.Deployment} {r.Replicas}"])));
        server.Map("annotate", ControlRole.Admin, AgentJson.Default.AnnotateRequest, AgentJson.Default.ManifestResult,
            (r, _) => new(new ManifestResult([$"annotated {r.Service} {string.Join(' ', r.Annotations.Select(a => $"{a.Key}={a.Value}"))} {r.Overwrite}"])));
        server.Start();
        _agents.Add(server);
    }
}
