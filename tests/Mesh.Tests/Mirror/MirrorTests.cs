using System.Diagnostics;
using System.Text;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.Mesh.Tests.Remote;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Mirror;

/// <summary>Kvstoremesh: east's etcd copied into west's, byte for byte, and read from there.</summary>
public sealed class MirrorTests : IAsyncLifetime
{
    private readonly EtcdServer _eastEtcd = new();
    private readonly EtcdServer _westEtcd = new();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-mirror-").FullName;
    private readonly List<string> _log = [];
    private RemoteEtcd _east = null!;
    private EtcdStore _west = null!;
    private RemoteClusters? _mirror;
    private RemoteClusters? _reader;

    public async ValueTask InitializeAsync()
    {
        await _eastEtcd.InitializeAsync();
        await _westEtcd.InitializeAsync();
        _east = new RemoteEtcd(_eastEtcd);
        _west = new EtcdStore(_westEtcd.Settings);
        await File.WriteAllTextAsync(Path.Combine(_directory, "east"), $"endpoints: [\"{_eastEtcd.Url}\"]\n");
    }

    [Fact]
    public async Task The_copy_is_byte_for_byte_and_unread()
    {
        await _east.FillAsync();
        await _east.PutAsync("cilium/state/nodes/v1/east/odd", "not even JSON");
        await _east.PutAsync("cilium/state/serviceexports/v1/east/default/webpod", "{}");
        await _east.PutAsync("cilium/state/identities/v1/value/k8s:a=b;/10.0.0.1", "132000");
        Start();
        await UntilAsync(() => Keys().Contains("cilium/cluster-config/east") && Keys().Contains("cilium/cache/serviceexports/v1/east/default/webpod"));
        Assert.Equal(
        [
            "cilium/cache/identities/v1/east/id/132072", "cilium/cache/ip/v1/east/10.1.1.2", "cilium/cache/nodes/v1/east/east-worker", "cilium/cache/nodes/v1/east/odd",
            "cilium/cache/serviceexports/v1/east/default/webpod", "cilium/cache/services/v1/east/default/webpod", "cilium/cluster-config/east",
            "cilium/synced/east/cilium/cache/identities/v1", "cilium/synced/east/cilium/cache/ip/v1", "cilium/synced/east/cilium/cache/nodes/v1",
            "cilium/synced/east/cilium/cache/serviceexports/v1", "cilium/synced/east/cilium/cache/services/v1",
        ], Keys());
        Assert.Equal(
            """{"id":2,"capabilities":{"syncedCanaries":true,"cached":true,"maxConnectedClusters":255,"serviceExportsEnabled":false}}""", await TextAsync("cilium/cluster-config/east"));
        Assert.Equal("not even JSON", await TextAsync("cilium/cache/nodes/v1/east/odd"));
        Assert.Equal(
            Encoding.UTF8.GetString((await _east.Store.GetAsync("cilium/state/services/v1/east/default/webpod"))!.Value.Value.Span), await TextAsync("cilium/cache/services/v1/east/default/webpod"));
        Assert.All((await _west.ListAsync("cilium/", null, 1000)).Entries, e => Assert.NotEqual(0, e.Lease));

        await _east.DeleteAsync("cilium/state/nodes/v1/east/odd");
        await _east.ServiceAsync("other", "10.1.1.3");
        await UntilAsync(() => !Keys().Contains("cilium/cache/nodes/v1/east/odd") && Keys().Contains("cilium/cache/services/v1/east/default/other"));
    }

    [Fact]
    public async Task Nodes_read_the_copy_also_while_the_cluster_is_away()
    {
        await _east.FillAsync();
        Start();
        await _west.CommitAsync([new StoreWrite(MeshKeys.Heartbeat, "2026-11-23T05:02:07Z"u8.ToArray())]);
        _reader = new RemoteClusters(_directory, new RemoteOptions("west", 1) { ReadCopiesFrom = _westEtcd.Settings }, _time, Log);
        await UntilAsync(() => _reader.Status is [{ IsReady: true, Config.Cached: true, NodeCount: 1, ServiceCount: 1, EndpointCount: 1, IdentityCount: 1 }]);
        await _eastEtcd.KillAsync();
        await UntilAsync(() => _mirror!.Status is [{ IsConnected: false }]);
        Assert.True(_reader.Status[0].IsReady);
        Assert.Single(_reader.State.Current.Nodes);
    }

    [Fact]
    public async Task A_removed_cluster_loses_its_configuration_first_and_its_records_after_a_grace()
    {
        await _east.FillAsync();
        Start();
        await UntilAsync(() => Keys().Contains("cilium/cluster-config/east"));
        File.Delete(Path.Combine(_directory, "east"));
        await Eventually.TrueAsync(() => !Keys().Contains("cilium/cluster-config/east"), () => string.Join(' ', Keys()));
        Assert.Contains("cilium/cache/nodes/v1/east/east-worker", Keys());
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Contains("cilium/cache/nodes/v1/east/east-worker", Keys());
        await UntilAsync(() => Keys().Length == 0);
    }

    [Fact]
    public async Task Twentytwo_thousand_keys_are_copied_within_three_seconds()
    {
        byte[] value = new byte[250];
        foreach (int[] chunk in Enumerable.Range(0, 22_000).Chunk(128))
        {
            await _east.Store.CommitAsync([.. chunk.Select(i => new StoreWrite($"cilium/state/ip/v1/default/10.1.{i >> 8}.{i & 255}", value))]);
        }

        await _east.FillAsync();
        Stopwatch watch = Stopwatch.StartNew();
        Start();
        await UntilAsync(() => _west.GetAsync("cilium/cluster-config/east").GetAwaiter().GetResult() is not null);
        TestContext.Current.SendDiagnosticMessage($"22,000 keys copied in {watch.ElapsedMilliseconds} ms");
        Assert.Equal(22_000, Count("cilium/cache/ip/v1/east/"));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(6));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RemoteClusters? clusters in (RemoteClusters?[])[_reader, _mirror])
        {
            if (clusters is not null)
            {
                await clusters.DisposeAsync();
            }
        }

        await _east.DisposeAsync();
        await _west.DisposeAsync();
        await _eastEtcd.DisposeAsync();
        await _westEtcd.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private void Start() => _mirror = new RemoteClusters(_directory, new RemoteOptions("west", 1) { CopyTo = _west }, _time, Log);

    private string[] Keys() => [.. _west.ListAsync("cilium/", null, 1000).GetAwaiter().GetResult().Entries.Select(e => e.Key).Where(k => k != MeshKeys.Heartbeat)];

    private int Count(string prefix) => _west.ListAsync(prefix, null, 100_000).GetAwaiter().GetResult().Entries.Count;

    private async Task<string> TextAsync(string key) => Encoding.UTF8.GetString((await _west.GetAsync(key))!.Value.Value.Span);

    private void Log(string line)
    {
        lock (_log)
        {
            _log.Add(line);
        }
    }

    private Task UntilAsync(Func<bool> condition) => Eventually.TrueAsync(condition, () => string.Join(' ', Keys()) + string.Join(" | ", _log.ToArray()), _time, TimeSpan.FromMilliseconds(200));
}
