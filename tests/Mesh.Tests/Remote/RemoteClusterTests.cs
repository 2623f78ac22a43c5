using System.Text;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Remote;

/// <summary>One remote cluster on a real etcd: the handshake, and everything that can go wrong with it.</summary>
public sealed class RemoteClusterTests : IAsyncLifetime
{
    private readonly EtcdServer _etcd = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly List<string> _log = [];
    private readonly MeshState _state = new();
    private readonly ClusterIds _ids = new(1);
    private readonly CancellationTokenSource _stop = new();
    private RemoteEtcd _east = null!;
    private RemoteCluster _cluster = null!;
    private Task _running = Task.CompletedTask;

    private ClusterView View => _state.Current.Clusters.GetValueOrDefault("east") ?? ClusterView.Empty("east", 0);

    public async ValueTask InitializeAsync()
    {
        await _etcd.InitializeAsync();
        _east = new RemoteEtcd(_etcd);
    }

    [Fact]
    public async Task A_cluster_is_ready_with_all_that_it_publishes()
    {
        await _east.FillAsync();
        Start();
        await ReadyAsync();
        RemoteStatus status = _cluster.Status;
        Assert.Equal((1, 1, 1, 1), (status.NodeCount, status.EndpointCount, status.IdentityCount, status.ServiceCount));
        Assert.Equal((2u, 0, null), (status.Config!.Id, status.FailureCount, status.Problem));
        Assert.Equal(_east.Store.ClusterId, status.EtcdClusterId);
        Assert.Equal("10.1.1.2:80/TCP", View.Services["default/webpod"].Backends.Single().ToString());
        Assert.Equal("172.18.0.2", View.Nodes["east-worker"].NodeIp(true).ToString());

        await _east.ServiceAsync("other", "10.1.1.3");
        await _east.DeleteAsync("cilium/state/nodes/v1/east/east-worker");
        await _east.ServiceAsync("webpod", "10.1.1.2", shared: false);
        await UntilAsync(() => View.Services.ContainsKey("default/other") && View.Nodes.IsEmpty && !View.Services.ContainsKey("default/webpod"));
    }

    [Fact]
    public async Task Each_kind_waits_for_its_canary()
    {
        await _east.FillAsync();
        await _east.DeleteAsync("cilium/synced/east/cilium/state/services/v1");
        Start();
        await UntilAsync(() => _cluster.Status is { NodesSynced: true, EndpointsSynced: true, IdentitiesSynced: true });
        Assert.False(_cluster.Status.ServicesSynced);
        Assert.False(_cluster.Status.IsReady);
        Assert.Empty(View.Services);
        await _east.CanariesAsync();
        await ReadyAsync();
        Assert.Single(View.Services);
    }

    [Fact]
    public async Task Without_canaries_all_is_read_at_once()
    {
        await _east.NodeAsync("east-worker", "172.18.0.2", "10.1.1.0");
        await _east.ConfigAsync("""{"id":2}""");
        Start();
        await ReadyAsync();
        Assert.Single(View.Nodes);
    }

    [Fact]
    public async Task Copies_are_read_from_the_cache_prefixes()
    {
        await _east.PutAsync("cilium/cache/ip/v1/east/10.1.1.2", """{"IP":"10.1.1.2","HostIP":"172.18.0.2","ID":132072}""");
        await _east.PutAsync("cilium/cache/identities/v1/east/id/132072", "k8s:io.cilium.k8s.policy.cluster=east;");
        await _east.IpAsync("10.1.1.99", 132073);
        await _east.CanariesAsync("cache");
        await _east.ConfigAsync("""{"id":2,"capabilities":{"syncedCanaries":true,"cached":true,"maxConnectedClusters":255}}""");
        Start();
        await ReadyAsync();
        Assert.Equal(["10.1.1.2"], View.Ips.Keys);
        Assert.Equal([132072u], View.Identities.Keys);
    }

    [Fact]
    public async Task A_missing_configuration_is_said_and_waited_for()
    {
        Start();
        await UntilAsync(() => _cluster.Status.Problem?.StartsWith("remote cluster configuration required but not found", StringComparison.Ordinal) == true);
        Assert.True(_cluster.Status.IsConnected);
        Assert.Null(_cluster.Status.Config);
        await UntilAsync(() => _cluster.Status.FailureCount > 0, TimeSpan.FromSeconds(20));
        await _east.FillAsync();
        await ReadyAsync();
    }

    [Theory]
    [InlineData("""{"id":1,"capabilities":{"maxConnectedClusters":255}}""", "clusterID 1 is assigned to the local cluster")]
    [InlineData("""{"id":3,"capabilities":{"maxConnectedClusters":255}}""", "clusterID 3 is already used by cluster 'north'")]
    [InlineData("""{"id":0}""", "cluster id 0 is not within 1 and 255")]
    [InlineData("""{"id":2,"capabilities":{"maxConnectedClusters":511}}""", "its maxConnectedClusters is 511, ours is 255; install both clusters with the same")]
    [InlineData("""{"id":"2"}""", "its cluster configuration cannot be read: 'id' has a value of the wrong shape")]
    public async Task A_cluster_that_does_not_fit_is_refused_and_taken_once_it_does(string config, string sentence)
    {
        _ids.Reserve("north", 3);
        await _east.FillAsync();
        await _east.ConfigAsync(config);
        Start();
        await UntilAsync(() => _cluster.Status.Problem == sentence);
        Assert.Empty(View.Nodes);
        await _east.ConfigAsync();
        await ReadyAsync();
    }

    [Fact]
    public async Task A_cluster_that_changes_its_id_is_forgotten_first()
    {
        await _east.FillAsync();
        Start();
        await ReadyAsync();
        await _east.ConfigAsync("""{"id":5,"capabilities":{"syncedCanaries":true,"maxConnectedClusters":255}}""");
        await UntilAsync(() => _cluster.Status.Config?.Id == 5, TimeSpan.FromSeconds(5));
        // All its records carry the old id and are ignored, each with a sentence.
        await UntilAsync(() => View.Nodes.IsEmpty && View.Services.IsEmpty && View.Identities.IsEmpty && _log.Count(l => l.Contains("is ignored", StringComparison.Ordinal)) >= 4);
        Assert.Contains(_log, l => l == "cluster east: its id has changed from 2 to 5; all that was known of it is forgotten");
        Assert.Contains(_log, l => l == "cluster east: nodes 'east-worker' is ignored: ClusterID is 2, 5 was expected");
        Assert.Null(_ids.Reserve("south", 2));
    }

    [Fact]
    public async Task A_killed_etcd_costs_nothing()
    {
        await _east.FillAsync();
        Start();
        await ReadyAsync();
        await _etcd.KillAsync();
        await UntilAsync(() => !_cluster.Status.IsConnected);
        Assert.Equal((1, 1, 1, 1), (View.Nodes.Count, View.Ips.Count, View.Identities.Count, View.Services.Count));
        Assert.False(_cluster.Status.IsReady);
        await UntilAsync(() => _cluster.Status.FailureCount > 1, TimeSpan.FromSeconds(10));
        Assert.Single(View.Services);
        await _etcd.RestartAsync();
        await ReadyAsync();
        await _east.ReopenAsync();
        await _east.ServiceAsync("after", "10.1.1.4");
        await UntilAsync(() => View.Services.ContainsKey("default/after"));
    }

    [Fact]
    public async Task Another_etcds_data_take_the_place_of_the_old_without_a_gap()
    {
        await _east.FillAsync();
        await _east.ServiceAsync("gone", "10.1.1.9");
        Start();
        await ReadyAsync();
        ulong id = _cluster.Status.EtcdClusterId;
        await _etcd.RestartAsync(wiped: true);
        await UntilAsync(() => _cluster.Status.FailureCount > 0);
        Assert.Equal(2, View.Services.Count);
        await _east.ReopenAsync();
        bool gap = false;
        using Timer watching = new(_ => gap |= !View.Services.ContainsKey("default/webpod"), null, 0, 1);
        await _east.FillAsync();
        await UntilAsync(() => _cluster.Status.IsReady && View.Services.Count == 1);
        Assert.False(gap, "webpod was forgotten while another etcd was listed");
        Assert.NotEqual(id, _cluster.Status.EtcdClusterId);
        Assert.Contains(_log, l => l.Contains("etcd cluster ID has changed from", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_heartbeat_that_stops_ends_the_connection_and_nothing_else()
    {
        await _east.FillAsync();
        Start();
        await ReadyAsync();
        await UntilAsync(() => _cluster.Status.FailureCount > 0, TimeSpan.FromSeconds(10));
        Assert.Contains(_log, l => l == "cluster east: no heartbeat for 120 s; does the cluster's agent still publish?");
        Assert.Single(View.Services);
        await ReadyAsync();
        Assert.NotNull(_cluster.Status.LastFailure);
    }

    [Fact]
    public async Task After_the_cache_ttl_the_services_of_a_lost_cluster_go_and_nothing_else()
    {
        await _east.FillAsync();
        Start(new RemoteOptions("west", 1) { CacheTtl = TimeSpan.FromMinutes(20) });
        await ReadyAsync();
        await _etcd.KillAsync();
        await UntilAsync(() => _cluster.Status.FailureCount > 0, TimeSpan.FromSeconds(10));
        Assert.Single(View.Services);
        await UntilAsync(() => View.Services.IsEmpty, TimeSpan.FromSeconds(30));
        Assert.Equal((1, 1, 1), (View.Nodes.Count, View.Ips.Count, View.Identities.Count));
        await _etcd.RestartAsync();
        await UntilAsync(() => View.Services.Count == 1, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Hostile_records_are_ignored_and_the_others_are_not()
    {
        await _east.FillAsync();
        await _east.PutAsync("cilium/state/nodes/v1/east/liar", """{"Name":"liar","Cluster":"west","ClusterID":2}""");
        await _east.PutAsync("cilium/state/nodes/v1/east/base64", """{"Name":"base64","Cluster":"east","ClusterID":2,"IPv4AllocCIDR":{"IP":"10.1.0.0","Mask":"*"}}""");
        await _east.PutAsync("cilium/state/nodes/v1/east/other", """{"Name":"another","Cluster":"east","ClusterID":2}""");
        await _east.PutAsync("cilium/state/services/v1/east/default/text", "no JSON at all");
        await _east.PutAsync("cilium/state/services/v1/east/deep", new string('[', 100_000));
        await _east.PutAsync("cilium/state/ip/v1/default/10.1.1.7", """{"IP":"10.1.1.7","ID":65792}""");
        await _east.PutAsync("cilium/state/identities/v1/id/65792", "k8s:io.cilium.k8s.policy.cluster=east;");
        await _east.PutAsync("cilium/state/identities/v1/id/132099", "k8s:io.cilium.k8s.policy.cluster=west;");
        await _east.Store.CommitAsync([new StoreWrite("cilium/state/identities/v1/id/132098", new byte[] { 0xFF, 0xFE })]);
        await _east.Store.CommitAsync([new StoreWrite("cilium/state/nodes/v1/east/large", new byte[1_500_000])]);
        Start();
        await ReadyAsync();
        Assert.Equal((1, 1, 1, 1), (View.Nodes.Count, View.Ips.Count, View.Identities.Count, View.Services.Count));
        Assert.Equal(10, _cluster.Status.RefusedCount);
        Assert.Equal(10, _log.Count(l => l.Contains("is ignored: ", StringComparison.Ordinal)));
        Assert.Contains(_log, l => l == "cluster east: ip '10.1.1.7' is ignored: identity 65792 is not within the cluster's 131072 to 196607");
        Assert.All(_log, l => Assert.InRange(l.Length, 1, 400));
    }

    [Fact]
    public async Task Twentytwo_thousand_keys_are_ready_within_three_seconds()
    {
        foreach (int[] chunk in Enumerable.Range(0, 22_000).Chunk(128))
        {
            await _east.Store.CommitAsync([.. chunk.Select(i =>
            {
                string ip = $"10.1.{i >> 8}.{i & 255}";
                return new StoreWrite($"cilium/state/ip/v1/default/{ip}", Encoding.UTF8.GetBytes(
                    $$"""{"IP":"{{ip}}","Mask":null,"HostIP":"172.18.0.2","ID":{{131072 + (i % 5000)}},"Key":0,"Metadata":"","K8sNamespace":"default","K8sPodName":"webpod-{{i}}","K8sServiceAccount":"default"}"""));
            })]);
        }

        await _east.FillAsync();
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        Start();
        await _cluster.Synced.WaitAsync(TimeSpan.FromSeconds(30));
        TestContext.Current.SendDiagnosticMessage($"22,000 endpoints ready in {watch.ElapsedMilliseconds} ms");
        Assert.Equal(22_000, View.Ips.Count);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAny(_running);
        _cluster?.Dispose();
        await _east.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    private void Start(RemoteOptions? options = null)
    {
        _cluster = new RemoteCluster(_east.File, options ?? new RemoteOptions("west", 1), _state, _ids, _time, line =>
        {
            lock (_log)
            {
                _log.Add(line);
            }
        });
        _running = _cluster.RunAsync(_stop.Token);
    }

    private Task ReadyAsync() => UntilAsync(() => _cluster.Status.IsReady);

    private Task UntilAsync(Func<bool> condition, TimeSpan? step = null) =>
        Eventually.TrueAsync(condition, () => $"{_cluster.Status}, {string.Join(" | ", _log)}", _time, step ?? TimeSpan.FromMilliseconds(50));
}
