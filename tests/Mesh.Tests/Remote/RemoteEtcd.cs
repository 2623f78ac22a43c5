using System.Text;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Tests.Remote;

/// <summary>
/// A remote cluster as somebody else would write it: keys and values typed in by hand from the format's description, so that a mistake in
/// the project's own writing cannot hide itself.
/// </summary>
internal sealed class RemoteEtcd(EtcdSettings settings, string name = "east", int id = 2) : IAsyncDisposable
{
    public RemoteEtcd(EtcdServer etcd, string? ca = null, string? cert = null, string? key = null)
        : this(etcd.Settings with { TrustedCaFile = ca, CertFile = cert, KeyFile = key })
    {
    }

    private static readonly string[] s_canaries = ["nodes", "services", "ip", "identities"];

    public EtcdStore Store { get; private set; } = new(settings);

    /// <summary>After the etcd was replaced.</summary>
    public async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        Store = new EtcdStore(settings);
    }

    public Task ConfigAsync(string? json = null) =>
        PutAsync($"cilium/cluster-config/{name}", json ?? $$$$"""{"id":{{{{id}}}},"capabilities":{"syncedCanaries":true,"maxConnectedClusters":255,"serviceExportsEnabled":false}}""");

    public async Task CanariesAsync(string state = "state")
    {
        foreach (string kind in s_canaries)
        {
            await PutAsync($"cilium/synced/{name}/cilium/{state}/{kind}/v1", "2026-11-23T05:02:07Z");
        }
    }

    public Task HeartbeatAsync() => PutAsync("cilium/.heartbeat", "2026-11-23T05:02:07Z");

    public Task NodeAsync(string node, string address, string cidr) => PutAsync(
        $"cilium/state/nodes/v1/{name}/{node}",
        $$$$"""{"Name":"{{{{node}}}}","Cluster":"{{{{name}}}}","IPAddresses":[{"Type":"InternalIP","IP":"{{{{address}}}}"}],"IPv4AllocCIDR":{"IP":"{{{{cidr}}}}","Mask":"////AA=="},"ClusterID":{{{{id}}}},"Source":"custom-resource"}""");

    public Task ServiceAsync(string service, string backend, bool shared = true) => PutAsync(
        $"cilium/state/services/v1/{name}/default/{service}",
        $$$$"""{"cluster":"{{{{name}}}}","namespace":"default","name":"{{{{service}}}}","frontends":{"10.3.0.1":{"http":{"Protocol":"TCP","Port":80}}},"backends":{"{{{{backend}}}}":{"http":{"Protocol":"TCP","Port":80}}},"labels":{},"selector":{},"includeExternal":true,"shared":{{{{(shared ? "true" : "false")}}}},"clusterID":{{{{id}}}}}""");

    public Task IpAsync(string address, int identity) => PutAsync(
        $"cilium/state/ip/v1/default/{address}",
        $$$$"""{"IP":"{{{{address}}}}","Mask":null,"HostIP":"172.18.0.2","ID":{{{{identity}}}},"Key":0,"Metadata":"","K8sNamespace":"default","K8sPodName":"p"}""");

    public Task IdentityAsync(int identity) => PutAsync(
        $"cilium/state/identities/v1/id/{identity}", $"k8s:app=webpod;k8s:io.cilium.k8s.policy.cluster={name};k8s:io.kubernetes.pod.namespace=default;");

    /// <summary>One of each kind, canaries, and last the configuration.</summary>
    public async Task FillAsync()
    {
        await NodeAsync("east-worker", "172.18.0.2", "10.1.1.0");
        await ServiceAsync("webpod", "10.1.1.2");
        await IpAsync("10.1.1.2", (id << 16) + 1000);
        await IdentityAsync((id << 16) + 1000);
        await HeartbeatAsync();
        await CanariesAsync();
        await ConfigAsync();
    }

    public Task PutAsync(string key, string value) => Store.CommitAsync([new StoreWrite(key, Encoding.UTF8.GetBytes(value))]);

    public Task DeleteAsync(string key) => Store.CommitAsync([new StoreWrite(key, null)]);

    public RemoteFile File => new(name, $"/clustermesh/{name}", "hash", settings);

    public async ValueTask DisposeAsync() => await Store.DisposeAsync();
}
