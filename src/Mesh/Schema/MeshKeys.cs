using System.Globalization;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>
/// The keys of a cluster mesh in etcd, as Cilium names them (pkg/kvstore/kvstore.go). Two prefixes hold the same records: <c>state</c> those
/// of the cluster itself, <c>cache</c> copies of other clusters (kvstoremesh).
/// </summary>
public static class MeshKeys
{
    public const string Heartbeat = "cilium/.heartbeat";
    public const string ClusterConfigPrefix = "cilium/cluster-config/";
    public const string SyncedPrefix = "cilium/synced/";

    /// <summary>The address space of <c>state/ip</c>; a literal, never a cluster's name.</summary>
    private const string AddressSpace = "default";

    public static string ClusterConfig(string cluster) => ClusterConfigPrefix + cluster;

    /// <summary>Where a cluster says which of its prefixes are complete.</summary>
    public static string Synced(string cluster) => $"{SyncedPrefix}{cluster}/";

    /// <summary>The canary of one kind of record. Its name leaves out what follows the version: no <c>/default</c> and no <c>/id</c>.</summary>
    public static string Canary(string cluster, MeshRecordKind kind, bool cached) => $"{Synced(cluster)}cilium/{(cached ? "cache" : "state")}/{NameOf(kind)}/v1";

    /// <summary>The prefix, with its trailing slash, below which a cluster's records of this kind lie.</summary>
    public static string Prefix(string cluster, MeshRecordKind kind, bool cached) => (kind, cached) switch
    {
        (MeshRecordKind.Ip, false) => $"cilium/state/ip/v1/{AddressSpace}/",
        (MeshRecordKind.Identity, false) => "cilium/state/identities/v1/id/",
        (MeshRecordKind.Identity, true) => $"cilium/cache/identities/v1/{cluster}/id/",
        _ => $"cilium/{(cached ? "cache" : "state")}/{NameOf(kind)}/v1/{cluster}/",
    };

    public static string Node(string cluster, string node) => Prefix(cluster, MeshRecordKind.Node, false) + node;

    public static string Service(string cluster, string @namespace, string name) => $"{Prefix(cluster, MeshRecordKind.Service, false)}{@namespace}/{name}";

    /// <param name="address">A bare address for a host, or a CIDR.</param>
    public static string Ip(string address) => Prefix("", MeshRecordKind.Ip, false) + address;

    public static string Identity(uint identity) => Prefix("", MeshRecordKind.Identity, false) + identity.ToString(CultureInfo.InvariantCulture);

    /// <summary>By labels and node, the master and slave keys of an allocator in the key-value store; never copied to other clusters.</summary>
    public static string IdentityValue(string labels) => $"cilium/state/identities/v1/value/{labels}";

    /// <summary>What status lines and messages call a kind: <c>nodes</c>, <c>services</c>, <c>ip</c>, <c>identities</c>, <c>serviceexports</c>.</summary>
    public static string NameOf(MeshRecordKind kind) => kind switch
    {
        MeshRecordKind.Node => "nodes",
        MeshRecordKind.Service => "services",
        MeshRecordKind.Ip => "ip",
        MeshRecordKind.Identity => "identities",
        _ => "serviceexports",
    };
}
