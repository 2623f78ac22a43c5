using System.Text;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>What happens to a cluster whose own etcd is killed, wiped or cut off: the forwarder loses nothing, and the status says why.</summary>
public sealed class EtcdFaultTests : IAsyncLifetime
{
    private const string Both = "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80 east/10.1.1.2:80";
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-faults-").FullName;
    private readonly List<string> _log = [];
    private Side _west = null!;
    private Side _east = null!;

    public async ValueTask InitializeAsync()
    {
        _west = new Side(_root, "west", 1, "172.18.0.5", "10.0.1.0/24", Log);
        _east = new Side(_root, "east", 2, "172.18.0.2", "10.1.1.0/24", Log);
        await _west.StartAsync();
        await _east.StartAsync();
        await _west.ApplyAsync(Side.Webpod("10.0.1.", "10.2.164.148"));
        await _east.ApplyAsync(Side.Webpod("10.1.1.", "10.3.193.106"));
        _west.Connect(_east);
        _east.Connect(_west);
        await UntilAsync(() => _west.Backends == Both && _east.Backends == "10.1.1.1:80 10.1.1.2:80 west/10.0.1.1:80 west/10.0.1.2:80");
        await UntilAsync(() => _west.Forwarder.Nodes.Length > 0 && _east.Forwarder.Nodes.Length > 0);
    }

    [Fact]
    public async Task The_own_etcd_killed_and_restarted_costs_nothing()
    {
        await _west.Etcd.KillAsync();
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult() is { StoreConnected: false });
        Assert.Contains(_west.Etcd.Url, (await _west.StatusAsync()).Store);
        // What the other cluster does meanwhile is done.
        await _east.CallAsync("scale", new ScaleRequest("default/webpod", 1), AgentJson.Default.ScaleRequest);
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80");
        Assert.Equal(["default/webpod 10.1.1.2:80"], _west.Forwarder.Removed);
        await _west.Etcd.RestartAsync();
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult() is { StoreConnected: true });
        await _west.CallAsync("scale", new ScaleRequest("default/webpod", 1), AgentJson.Default.ScaleRequest);
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 east/10.1.1.1:80" && _east.Backends == "10.1.1.1:80 west/10.0.1.1:80");
    }

    /// <summary>An empty etcd takes the place of the own one: the agent goes on with it and fills it again, identities with their numbers included.</summary>
    [Fact]
    public async Task The_own_etcd_replaced_by_an_empty_one_is_filled_again()
    {
        string before = await DumpAsync();
        await _west.Etcd.RestartAsync(wiped: true);
        await UntilAsync(() => Said("objects that were known are put back"));
        Assert.True(Said("etcd cluster ID has changed from"));
        await UntilAsync(() => DumpAsync().GetAwaiter().GetResult() == before);
        Assert.Empty(_west.Forwarder.Removed);
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult() is { StoreConnected: true, IsLeader: true });
        // It takes changes, and they reach the other cluster, which has connected anew.
        await _west.CallAsync("scale", new ScaleRequest("default/webpod", 1), AgentJson.Default.ScaleRequest);
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 east/10.1.1.1:80 east/10.1.1.2:80" && _east.Backends == "10.1.1.1:80 10.1.1.2:80 west/10.0.1.1:80");
        Assert.Equal(["default/webpod 10.0.1.2:80"], _east.Forwarder.Removed);
    }

    /// <summary>One that holds the cluster's objects of an earlier time: they count, as a full list does.</summary>
    [Fact]
    public async Task The_own_etcd_replaced_by_an_older_copy_counts_as_it_is()
    {
        string copy = await _west.Etcd.SnapshotAsync();
        await _west.ApplyAsync("kind: Service\nmetadata: {name: later}\nspec: {clusterIP: 10.2.0.9, ports: [{port: 80}]}\n");
        await UntilAsync(() => _west.Forwarder.Document.Services!.Count == 2);
        await _west.Etcd.RestoreAsync(copy);
        await UntilAsync(() => _west.Forwarder.Document.Services!.Count == 1 || Said("put back"));
        Assert.False(Said("put back"));
        Assert.Equal(Both, _west.Backends);
    }

    /// <summary>Requests and answers between the clusters are lost for a while: all is kept, and what changed meanwhile is found.</summary>
    [Fact]
    public async Task A_partition_between_the_clusters_takes_nothing_away_and_ends_by_itself()
    {
        await using TcpRelay way = new(_east.Etcd.Port);
        // Whole or not at all: a file that is empty for a moment is a cluster that was removed.
        string next = Path.Combine(_root, "east.yaml");
        File.WriteAllText(next, $"endpoints: [\"http://127.0.0.1:{way.Port}\"]\n");
        File.Move(next, Path.Combine(_west.RemoteDirectory, "east"), overwrite: true);
        await UntilAsync(() => way.ConnectionCount > 0 && _west.StatusAsync().GetAwaiter().GetResult() is { Clusters: [{ Ready: true }] });
        Assert.Equal(Both, _west.Backends);
        way.Cut();
        await _east.CallAsync("scale", new ScaleRequest("default/webpod", 1), AgentJson.Default.ScaleRequest);
        await UntilAsync(() => _east.Backends.StartsWith("10.1.1.1:80 west", StringComparison.Ordinal));
        await using (EtcdStore east = new(_east.Etcd.Settings))
        {
            // Its history goes too: no watch can go on where it was.
            await _east.Etcd.CompactAsync((await east.ListAsync("cilium/", null, 1)).Revision);
        }

        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult() is { Clusters: [{ Ready: false, Problem: not null, DataAgeSeconds: not null }] });
        Assert.Equal(Both, _west.Backends);
        Assert.Empty(_west.Forwarder.Removed);
        way.Mend();
        await UntilAsync(() => _west.Backends == "10.0.1.1:80 10.0.1.2:80 east/10.1.1.1:80");
        Assert.Equal(["default/webpod 10.1.1.2:80"], _west.Forwarder.Removed);
    }

    /// <summary>A third cluster with east's id: it is refused in words, and what is there stays.</summary>
    [Fact]
    public async Task Two_clusters_with_one_id_do_not_disturb_each_other()
    {
        await using Side north = new(_root, "north", 2, "172.18.0.9", "10.9.1.0/24", Log);
        await north.StartAsync();
        await north.ApplyAsync(Side.Webpod("10.9.1.", "10.9.193.106"));
        _west.Connect(north);
        await UntilAsync(() => _west.StatusAsync().GetAwaiter().GetResult().Clusters is [{ Name: "east", Ready: true }, { Name: "north", Ready: false, Problem: "clusterID 2 is already used by cluster 'east'" }]);
        Assert.Equal(Both, _west.Backends);
        Assert.Empty(_west.Forwarder.Removed);
    }

    public async ValueTask DisposeAsync()
    {
        await _west.DisposeAsync();
        await _east.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private async Task<StoreEntry[]> EntriesAsync(string prefix)
    {
        await using EtcdStore store = new(_west.Etcd.Settings);
        return [.. (await store.ListAsync(prefix, null, 1_000)).Entries];
    }

    /// <summary>Objects, bindings and everything published, without what tells the time.</summary>
    private async Task<string> DumpAsync() => string.Join('\n', from entry in (await EntriesAsync("cmesh/objects/")).Concat(await EntriesAsync("cmesh/identities/")).Concat(await EntriesAsync("cilium/"))
                                                                where entry.Key != MeshKeys.Heartbeat && !entry.Key.StartsWith("cilium/synced/", StringComparison.Ordinal)
                                                                select $"{entry.Key} {Encoding.UTF8.GetString(entry.Value.Span)}");

    private bool Said(string text)
    {
        lock (_log)
        {
            return _log.Any(l => l.Contains(text, StringComparison.Ordinal));
        }
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
