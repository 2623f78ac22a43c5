using System.Net;
using ClusterMesh.Datapath.Agent.Observing;
using ClusterMesh.Datapath.Agent.Probing;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>The file an agent is started with.</summary>
/// <param name="StoreDirectory">Of the embedded store; null when the store is etcd.</param>
/// <param name="PkiDirectory">Where the mesh's CA and certificates are; null on a node that does not make them.</param>
/// <param name="MeshEndpoint">Address and port by which other clusters reach our etcd: 172.18.0.4:32379.</param>
/// <param name="Kvstoremesh">One agent copies the other clusters into the own etcd, and all read the copies.</param>
/// <param name="EtcdConfig">Path of an etcd client file; null for the embedded store.</param>
internal sealed record AgentSettings(
    string Cluster, int ClusterId, int MaxConnectedClusters, string Node, IReadOnlyList<NodeAddress> Addresses, IReadOnlyList<string> PodCidrs,
    IReadOnlyDictionary<string, string> Labels, string? StoreDirectory, string? EtcdConfig, string RemoteDirectory, bool Kvstoremesh, TimeSpan CacheTtl,
    IReadOnlyDictionary<string, IPAddress> HostAliases, string ForwarderSocket, string SocketPath,
    string? PkiDirectory, string? MeshEndpoint)
{
    private const int DefaultHealthPort = 4240;
    private const int DefaultHealthSeconds = 60;

    /// <summary>Of the node's health endpoint among its pods; empty when it has none.</summary>
    public string HealthAddress { get; init; } = "";

    /// <summary>Null when nodes do not try each other.</summary>
    public HealthSettings? Health { get; init; }

    private const int DefaultLeaseSeconds = 900;

    /// <summary>How the cluster's nodes route, native or tunnel; null when the file does not say and only the forwarder knows.</summary>
    public string? RoutingMode { get; init; }

    /// <summary>Path of the etcd client file of the etcd that other clusters read; null when that is the store.</summary>
    public string? MeshEtcdConfig { get; init; }

    /// <summary>Paths of the manifests that enable applies: what runs that etcd, and how it is reached.</summary>
    public IReadOnlyList<string> Manifests { get; init; } = [];

    /// <summary>So long other clusters see what is published after everybody who publishes has gone.</summary>
    public TimeSpan LeaseTime { get; init; } = TimeSpan.FromSeconds(DefaultLeaseSeconds);

    /// <summary>So long a backend that was removed keeps its flows; zero, as in Cilium, takes them away at once.</summary>
    public TimeSpan DrainTime { get; init; }

    /// <summary>Cilium's policy-default-local-cluster: selectors of policies that name no cluster mean the own one.</summary>
    public bool IsPolicyLocalByDefault { get; init; }

    /// <exception cref="ConfigurationException">The first mistake, with file, line and field.</exception>
    public static AgentSettings Parse(string file, string text)
    {
        YamlNode document = YamlLoader.Load(file, text);
        YamlField root = new YamlField(file, document, "", document.Line).Only("cluster", "node", "store", "remote", "clustermesh", "forwarder", "socket", "access", "observe", "health", "policy");
        YamlField cluster = root.Need("cluster").Only("name", "id", "maxConnectedClusters", "routingMode");
        YamlField node = root.Need("node").Only("name", "addresses", "routerAddresses", "podCIDRs", "labels", "healthAddress");
        YamlField? store = root["store"]?.Only("directory", "etcd");
        YamlField? health = root["health"]?.Only("port", "intervalSeconds");
        YamlField? remote = root["remote"]?.Only("directory", "kvstoremesh", "cacheTTLSeconds", "hostAliases");
        YamlField? mesh = root["clustermesh"]?.Only("pki", "endpoint", "etcd", "manifests", "leaseSeconds");
        YamlField? forwarder = root["forwarder"]?.Only("socket", "drainSeconds");
        string name = cluster.Need("name").Text();
        int max = cluster["maxConnectedClusters"]?.Number(1, int.MaxValue) ?? ClusterRules.DefaultMaxConnected;
        int id = cluster["id"]?.Number(0, int.MaxValue) ?? 0;
        if (ClusterRules.CheckLocal(name, id, max) is string mistake)
        {
            throw cluster.Refuse(mistake);
        }

        if (store?["directory"] is not null && store["etcd"] is not null)
        {
            throw store.Refuse("give 'directory' for a store of this node alone or 'etcd' for one of the cluster, not both");
        }

        if (remote?["kvstoremesh"]?.Flag() == true && store?["etcd"] is null)
        {
            throw remote.Refuse("'kvstoremesh' copies other clusters into the cluster's etcd; name one in store.etcd");
        }

        string nodeName = node.Need("name").Text();
        string forwarderSocket = forwarder?["socket"]?.Text() ?? ControlPaths.SocketOf(name, nodeName);
        string socket = root["socket"]?.Text() ?? Path.Combine(ControlPaths.RunDirectory, $"{name}-{nodeName}", "agent.sock");
        return new AgentSettings(
            name, id, max, nodeName,
            [
                .. node.Need("addresses").Items().Select(a => new NodeAddress(NodeAddress.InternalIp, Address(a))),
                .. (node["routerAddresses"]?.Items() ?? []).Select(a => new NodeAddress(NodeAddress.CiliumInternalIp, Address(a))),
            ],
            [.. (node["podCIDRs"]?.Items() ?? []).Select(c => c.Checked(t => IpPrefix.TryParse(t, out _) ? null : $"'{t}' is no CIDR"))],
            node["labels"]?.TextMap() ?? new Dictionary<string, string>(),
            store?["etcd"] is null ? store?["directory"]?.Text() ?? $"/var/lib/cmesh/{name}-{nodeName}" : null,
            store?["etcd"]?.Text(),
            remote?["directory"]?.Text() ?? Mesh.Remote.RemoteDirectory.DefaultPath,
            remote?["kvstoremesh"]?.Flag() ?? false,
            TimeSpan.FromSeconds(remote?["cacheTTLSeconds"]?.Number(0, int.MaxValue) ?? 0),
            (remote?["hostAliases"]?.TextMap() ?? new Dictionary<string, string>()).ToDictionary(
                a => a.Key, a => IPAddress.TryParse(a.Value, out IPAddress? address) ? address : throw remote!.Need("hostAliases").Refuse($"'{a.Value}' is no IP address")),
            forwarderSocket,
            socket,
            mesh?["pki"]?.Text(),
            mesh?["endpoint"]?.Checked(t => IPEndPoint.TryParse(t, out IPEndPoint? point) && point.Port != 0 ? null : $"'{t}' is no address and port like 172.18.0.4:32379"))
        {
            Access = AccessOf(root["access"]?.Only("adminGroup", "readerGroup")),
            Observe = ObserveSettings.Parse(root["observe"], Path.GetDirectoryName(Path.GetFullPath(socket))!, forwarderSocket),
            RoutingMode = cluster["routingMode"]?.Checked(t => t is "native" or "tunnel" ? null : $"'{t}' is no routing mode; use native or tunnel"),
            MeshEtcdConfig = mesh?["etcd"]?.Text(),
            Manifests = mesh?["manifests"]?.Texts() ?? [],
            LeaseTime = TimeSpan.FromSeconds(mesh?["leaseSeconds"]?.Number(5, 86_400) ?? DefaultLeaseSeconds),
            DrainTime = TimeSpan.FromSeconds(forwarder?["drainSeconds"]?.Number(0, 3_600) ?? 0),
            HealthAddress = node["healthAddress"]?.Checked(t => IpAddress.TryParse(t, out _) ? null : $"'{t}' is no IP address") ?? "",
            Health = health is null ? null : new HealthSettings(
                health["port"]?.Number(1, 65535) ?? DefaultHealthPort, TimeSpan.FromSeconds(health["intervalSeconds"]?.Number(1, 3600) ?? DefaultHealthSeconds)),
            IsPolicyLocalByDefault = root["policy"]?.Only("defaultLocalCluster")["defaultLocalCluster"]?.Flag() ?? false,
        };
    }

    /// <summary>Who may use the control socket.</summary>
    public ControlAccess Access { get; init; } = ControlAccess.OwnerOnly;

    /// <summary>What is served of what the node sees, and where.</summary>
    public required ObserveSettings Observe { get; init; }

    public RemoteOptions Remote => new(Cluster, ClusterId)
    {
        MaxConnectedClusters = MaxConnectedClusters,
        CacheTtl = CacheTtl,
        HostAliases = HostAliases,
    };

    public NodeObject ToNode() => new(Node) { Addresses = Addresses, PodCidrs = PodCidrs, Labels = Labels, HealthAddress = HealthAddress, BootId = BootId() };

    private static ControlAccess AccessOf(YamlField? access)
    {
        try
        {
            return ControlAccess.Of(access?["adminGroup"]?.Text(), access?["readerGroup"]?.Text());
        }
        catch (FormatException e)
        {
            throw access!.Refuse(e.Message);
        }
    }

    private static string Address(YamlField field) => field.Checked(t => IpAddress.TryParse(t, out _) ? null : $"'{t}' is no IP address");

    private static string BootId()
    {
        const string Path = "/proc/sys/kernel/random/boot_id";
        return File.Exists(Path) ? File.ReadAllText(Path).Trim() : "";
    }
}
