using System.Text;
using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Publishing;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Publishing;

/// <summary>What a cluster publishes into a real etcd, byte for byte, and that it stays so.</summary>
public sealed class PublisherTests : IAsyncLifetime
{
    private const string Election = "cmesh/leader/publisher";
    private readonly EtcdServer _etcd = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 23, 5, 2, 7, TimeSpan.Zero));
    private readonly List<string> _log = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private EtcdStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        await _etcd.InitializeAsync();
        _store = new EtcdStore(_etcd.Settings);
    }

    [Fact]
    public async Task The_whole_dump_is_the_golden_one()
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(await RecordsAsync());
        string golden = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Golden", "published.txt"));
        await UntilAsync(() => Dump() == golden);
        Assert.All(Entries(), e => Assert.NotEqual(0, e.Lease));
    }

    [Fact]
    public async Task Somebody_else_reads_it_back_by_the_format_alone()
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(await RecordsAsync());
        await UntilAsync(() => Entries().Any(e => e.Key == MeshKeys.ClusterConfig("west")) && Entries().Any(e => e.Key == MeshKeys.Heartbeat));
        IndependentReader reader = await IndependentReader.ReadAsync(_etcd.Url, "west", 1);
        Assert.Equal(
        [
            "identity k8s:app=curl: bound", "identity k8s:app=webpod: bound", "node west-worker: 172.18.0.5 10.0.1.0/24", "pod default/curl-pod: 10.0.1.105 behind 172.18.0.5",
            "pod default/webpod-1: 10.0.1.14 behind 172.18.0.5", "service default/webpod: 10.2.164.148:80/TCP -> 10.0.1.14:80/TCP",
        ], reader.Found.Select(f => $"{f.Key}: {f.Value}"));
    }

    [Fact]
    public async Task Another_cluster_reads_all_of_it_back()
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(await RecordsAsync());
        MeshState state = new();
        using RemoteCluster west = new(new RemoteFile("west", "west", "", _etcd.Settings), new RemoteOptions("east", 2), state, new ClusterIds(2), _time, Log);
        _running.Add(west.RunAsync(_stop.Token));
        await UntilAsync(() => west.Status.IsReady, TimeSpan.FromMilliseconds(50));
        RemoteStatus status = west.Status;
        Assert.Equal((1, 2, 2, 1, 0), (status.NodeCount, status.EndpointCount, status.IdentityCount, status.ServiceCount, status.RefusedCount));
        publisher.Publish(new Dictionary<string, byte[]>());
        await UntilAsync(() => west.Status is { NodeCount: 0, EndpointCount: 0, IdentityCount: 0, ServiceCount: 0 });
        Assert.True(west.Status.IsReady);
    }

    [Theory]
    [InlineData("cilium/cluster-config/west", null)]
    [InlineData("cilium/cluster-config/west", "{\"id\":9}")]
    [InlineData("cilium/state/services/v1/west/default/webpod", null)]
    [InlineData("cilium/state/services/v1/west/default/webpod", "tampered")]
    [InlineData("cilium/state/ip/v1/default/10.0.1.105", null)]
    [InlineData("cilium/synced/west/cilium/state/nodes/v1", null)]
    [InlineData("cilium/state/nodes/v1/west/stranger", "{}")]
    [InlineData("cilium/state/identities/v1/id/99", "k8s:a=b;")]
    public async Task Tampering_is_repaired_at_once(string key, string? value)
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(await RecordsAsync());
        await UntilAsync(() => Entries().Any(e => e.Key == MeshKeys.ClusterConfig("west")));
        string before = Dump();
        DateTimeOffset then = _time.GetUtcNow();
        await _store.CommitAsync([new StoreWrite(key, value is null ? (ReadOnlyMemory<byte>?)null : Encoding.UTF8.GetBytes(value))]);
        // The tests' clock stands still: no regular look is due.
        await Eventually.TrueAsync(() => Dump() == before, Dump);
        Assert.Equal(then, _time.GetUtcNow());
    }

    [Fact]
    public async Task The_heartbeat_is_rewritten_every_minute()
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(new Dictionary<string, byte[]>());
        await UntilAsync(() => Entries().Any(e => e.Key == MeshKeys.Heartbeat));
        StoreEntry first = Entries().Single(e => e.Key == MeshKeys.Heartbeat);
        _time.Advance(TimeSpan.FromSeconds(59));
        _time.Advance(TimeSpan.FromSeconds(2));
        await UntilAsync(() => Entries().Single(e => e.Key == MeshKeys.Heartbeat).Revision > first.Revision);
    }

    [Fact]
    public async Task Lost_leases_are_replaced_and_all_keys_written_again()
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(await RecordsAsync());
        await UntilAsync(() => Entries().Any(e => e.Key == MeshKeys.ClusterConfig("west")));
        int count = Entries().Length;
        foreach (long lease in Entries().Select(e => e.Lease).Distinct())
        {
            await _store.RevokeLeaseAsync(lease);
        }

        await UntilAsync(() => Entries().Length == count, TimeSpan.FromSeconds(30));
        await UntilAsync(() => Entries().All(e => e.Lease != 0));
    }

    [Fact]
    public async Task One_of_two_agents_publishes_and_the_other_follows_it()
    {
        Start(out Publisher first, out CancellationTokenSource stopFirst, "one");
        first.Publish(await RecordsAsync());
        await UntilAsync(() => Entries().Any(e => e.Key == MeshKeys.ClusterConfig("west")));
        Start(out Publisher second, out _, "two");
        second.Publish(new Dictionary<string, byte[]>());
        string before = Dump();
        Assert.Equal("one", Encoding.UTF8.GetString((await _store.GetAsync(Election))!.Value.Value.Span));
        Assert.Equal(before, Dump());
        await stopFirst.CancelAsync();
        await UntilAsync(() => !Entries().Any(e => e.Key.StartsWith("cilium/state/", StringComparison.Ordinal)));
        Assert.Equal("two", Encoding.UTF8.GetString((await _store.GetAsync(Election))!.Value.Value.Span));
    }

    [Fact]
    public async Task More_than_a_thousand_keys_share_several_leases()
    {
        Start(out Publisher publisher, out _);
        publisher.Publish(Enumerable.Range(0, 2500).ToDictionary(i => MeshKeys.Ip($"10.0.{i >> 8}.{i & 255}"), i => Encoding.UTF8.GetBytes($"{i}")));
        await UntilAsync(() => Entries().Any(e => e.Key == MeshKeys.ClusterConfig("west")));
        Assert.InRange(Entries().GroupBy(e => e.Lease).Max(g => g.Count()), 1, 1000);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running.Select(t => t.ContinueWith(_ => { }, TaskScheduler.Default)));
        await _store.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    private void Start(out Publisher publisher, out CancellationTokenSource stop, string name = "agent")
    {
        publisher = new Publisher(_store, PublishedPlace.OfCluster("west", new ClusterConfig(1)), _time, Log);
        stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        LeaderElection election = new(_store, Election, name, _time);
        _running.Add(election.RunAsync(publisher.RunAsync, Log, stop.Token));
    }

    private async Task<SortedDictionary<string, byte[]>> RecordsAsync()
    {
        PodObject pod(string name, string ip, string app) => new("default", name)
        {
            Ips = [ip],
            NodeName = "west-worker",
            Labels = new Dictionary<string, string> { ["app"] = app, ["pod-template-hash"] = "5c8" },
            Ports = [new SlicePortObject("http", "TCP", 80)],
        };
        Dictionary<string, string> app = new() { ["app"] = "webpod" };
        LocalObjects objects = LocalObjects.Empty with
        {
            Nodes = LocalObjects.Empty.Nodes.Add("west-worker", new NodeObject("west-worker")
            {
                Addresses = [new NodeAddress("InternalIP", "172.18.0.5"), new NodeAddress("CiliumInternalIP", "10.0.1.3")],
                PodCidrs = ["10.0.1.0/24"],
                Labels = new Dictionary<string, string> { ["kubernetes.io/hostname"] = "west-worker" },
                BootId = "570d3fd1-0000-4000-8000-000000000000",
            }),
            Pods = LocalObjects.Empty.Pods.Add("default/webpod-1", pod("webpod-1", "10.0.1.14", "webpod")).Add("default/curl-pod", pod("curl-pod", "10.0.1.105", "curl")),
            Services = LocalObjects.Empty.Services
                .Add("default/webpod", new ServiceObject("default", "webpod")
                {
                    Annotations = new Dictionary<string, string> { ["service.cilium.io/global"] = "true" },
                    Selector = app,
                    ClusterIps = ["10.2.164.148"],
                    Ports = [new ServicePortObject("", "TCP", 80)],
                })
                .Add("default/private", new ServiceObject("default", "private")
                {
                    Annotations = new Dictionary<string, string> { ["service.cilium.io/global"] = "true", ["service.cilium.io/shared"] = "false" },
                    ClusterIps = ["10.2.164.149"],
                    Ports = [new ServicePortObject("", "TCP", 80)],
                }),
        };
        IdentityAllocator allocator = new(_store, IdentityRange.Of(1, 255));
        Dictionary<string, uint> identities = [];
        foreach (PodObject each in objects.Pods.Values)
        {
            IdentityLabels labels = PodLabels.Of(each, "west", objects);
            identities[labels.Text] = await allocator.AllocateAsync(labels);
        }

        return PublishedRecords.Of(objects, "west", 1, identities, p => PodLabels.Of(p, "west", objects));
    }

    private StoreEntry[] Entries() => [.. _store.ListAsync("cilium/", null, 10_000).GetAwaiter().GetResult().Entries];

    private string Dump() => string.Concat(Entries().Select(e => $"{e.Key} {Encoding.UTF8.GetString(e.Value.Span)}\n"));

    private void Log(string line)
    {
        lock (_log)
        {
            _log.Add(line);
        }
    }

    private Task UntilAsync(Func<bool> condition, TimeSpan? step = null) =>
        Eventually.TrueAsync(condition, () => $"{Dump()} {string.Join(" | ", _log)}", step is null ? null : _time, step);
}
