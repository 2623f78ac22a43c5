using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>A cluster whose objects lie in one store, and what others may read in an etcd of its own.</summary>
public sealed class MeshEtcdTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-etcd-of-mesh-").FullName;
    private readonly int _port = EtcdServer.FreePort();
    private readonly List<string> _log = [];
    private AgentRuntime _agent = null!;
    private ControlServer _server = null!;

    public ValueTask InitializeAsync()
    {
        File.WriteAllText(Path.Combine(_root, "clustermesh-apiserver.yaml"), """
            apiVersion: v1
            kind: Service
            metadata: {name: clustermesh-apiserver, namespace: kube-system}
            spec: {type: NodePort, clusterIP: 10.2.174.206, ports: [{port: 2379, nodePort: 32379}]}
            """);
        File.WriteAllText(Path.Combine(_root, "mesh.yaml"), $"""
            endpoints: ["https://clustermesh-apiserver.kube-system.svc:{_port}"]
            host-aliases: {"{"}clustermesh-apiserver.kube-system.svc: 127.0.0.1{"}"}
            trusted-ca-file: {_root}/pki/ca.crt
            cert-file: {_root}/pki/admin.crt
            key-file: {_root}/pki/admin.key
            """);
        AgentSettings settings = AgentSettings.Parse("agent.yaml", $$"""
            cluster: {name: west, id: 1}
            node: {name: west-worker, addresses: [172.18.0.5], podCIDRs: [10.0.1.0/24]}
            store: {directory: {{_root}}/store}
            remote: {directory: {{_root}}/clustermesh}
            clustermesh:
              pki: {{_root}}/pki
              endpoint: "127.0.0.1:{{_port}}"
              etcd: {{_root}}/mesh.yaml
              manifests: ["{{_root}}/clustermesh-apiserver.yaml"]
            forwarder: {socket: {{_root}}/none.sock}
            socket: {{_root}}/agent.sock
            """);
        _agent = AgentRuntime.Start(settings, TimeProvider.System, Log);
        _server = new ControlServer(settings.SocketPath) { Fault = (where, fault) => Log($"{where}: {fault}") };
        AgentMethods.Map(_server, _agent);
        AgentMethods.MapAccess(_server, _agent, new MeshAccess(settings, TimeProvider.System, _agent.Network));
        _server.Start();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task It_is_written_to_from_enable_on_and_anew_when_it_comes_back_empty()
    {
        await UntilAsync(() => _agent.IsLeader);
        Assert.Equal((false, "not enabled; run cmesh clustermesh enable"), await MeshStoreAsync());
        await using ControlClient client = await ControlClient.ConnectAsync(Path.Combine(_root, "agent.sock"), TimeSpan.FromSeconds(20));
        EnableResult enabled = await client.CallAsync("enable", new EnableRequest(), AgentJson.Default.EnableRequest, AgentJson.Tolerant.EnableResult);
        Assert.Contains("✨ service/kube-system/clustermesh-apiserver created", enabled.Lines);
        Assert.Contains(enabled.Lines, l => l.StartsWith("🔑 client certificate 'root' for the cluster's agents made", StringComparison.Ordinal));

        string pki(string file) => Path.Combine(_root, "pki", file);
        await using EtcdServer etcd = EtcdServer.WithTls(_port, "--cert-file", pki("server.crt"), "--key-file", pki("server.key"), "--client-cert-auth", "--trusted-ca-file", pki("ca.crt"));
        await etcd.InitializeAsync();
        Assert.Equal("cilium/.heartbeat cilium/cluster-config/west cilium/state/nodes/v1/west/west-worker", await KeysAsync(etcd, wanted: 3));
        Assert.Equal((true, $"https://clustermesh-apiserver.kube-system.svc:{_port}"), await MeshStoreAsync());

        await etcd.RestartAsync(wiped: true);
        Assert.Equal("cilium/.heartbeat cilium/cluster-config/west cilium/state/nodes/v1/west/west-worker", await KeysAsync(etcd, wanted: 3));

        // Other clusters read what is published, and may not read the rest nor write.
        await using EtcdStore remote = new(etcd.Settings with { TrustedCaFile = pki("ca.crt"), CertFile = pki("remote.crt"), KeyFile = pki("remote.key") });
        Assert.NotNull(await remote.GetAsync("cilium/cluster-config/west"));
        Assert.Equal(StoreFault.Denied, (await Assert.ThrowsAsync<StoreException>(() => remote.ListAsync("c", null, 100))).Fault);
        Assert.Equal(StoreFault.Denied, (await Assert.ThrowsAsync<StoreException>(() => remote.CommitAsync([new StoreWrite("cilium/cluster-config/west", null)]))).Fault);

        // The cluster's own objects are nobody else's.
        Assert.NotEmpty((await _agent.Store.ListAsync("cmesh/", null, 10)).Entries);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _agent.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>All keys but the canaries, once there are as many as wanted.</summary>
    private async Task<string> KeysAsync(EtcdServer etcd, int wanted)
    {
        string pki(string file) => Path.Combine(_root, "pki", file);
        await using EtcdStore store = new(etcd.Settings with { TrustedCaFile = pki("ca.crt"), CertFile = pki("admin.crt"), KeyFile = pki("admin.key") });
        string[] keys = [];
        await UntilAsync(() =>
        {
            try
            {
                StorePage page = store.ListAsync("c", null, 100).GetAwaiter().GetResult();
                keys = [.. page.Entries.Select(e => e.Key).Where(k => !k.StartsWith("cilium/synced/", StringComparison.Ordinal))];
            }
            catch (StoreException)
            {
                // It is being restarted.
            }

            return keys.Length == wanted;
        });
        return string.Join(' ', keys);
    }

    private async Task<(bool, string?)> MeshStoreAsync()
    {
        await using ControlClient client = await ControlClient.ConnectAsync(Path.Combine(_root, "agent.sock"), TimeSpan.FromSeconds(20));
        AgentStatus status = await client.CallAsync("status", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.AgentStatus);
        return (status.MeshStoreConnected, status.MeshStore);
    }

    private Task UntilAsync(Func<bool> condition) => Eventually.TrueAsync(condition, () =>
    {
        lock (_log)
        {
            return string.Join('\n', _log);
        }
    });

    private void Log(string line)
    {
        lock (_log)
        {
            _log.Add(line);
        }
    }
}
