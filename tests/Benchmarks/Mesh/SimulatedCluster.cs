using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks.Mesh;

/// <summary>
/// One cluster of a simulated mesh: names as clouds and Kubernetes give them, identities of its own range, pods spread over its nodes and
/// its services. Written as kvstoremesh does, so that many clusters can lie in one etcd.
/// </summary>
internal sealed class SimulatedCluster(int id, int nodeCount, int podCount, int serviceCount)
{
    private const int PodsPerIdentity = 10;
    private static readonly string[] s_apps = ["checkout", "cart", "payment", "search", "catalog", "frontend", "session", "inventory", "mailer", "ledger"];
    private static readonly string[] s_regions = ["eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-south-1"];

    public string Name { get; } = $"prod-{s_regions[id % s_regions.Length]}-{id:d3}";

    public int Id => id;

    public int NodeCount => nodeCount;

    public int PodCount => podCount;

    /// <summary>Everything but the configuration, which must come last.</summary>
    public IEnumerable<StoreWrite> Records()
    {
        for (int node = 0; node < nodeCount; node++)
        {
            yield return new StoreWrite($"{MeshKeys.Prefix(Name, MeshRecordKind.Node, true)}{NodeName(node)}", new MeshNode(NodeName(node), Name, (uint)id)
            {
                Addresses = [new NodeAddress(NodeAddress.InternalIp, NodeIp(node)), new NodeAddress(NodeAddress.CiliumInternalIp, $"{PodNet(node)}1")],
                Ipv4AllocCidr = IpPrefix.Parse($"{PodNet(node)}0/24"),
                Labels = new Dictionary<string, string>
                {
                    ["kubernetes.io/hostname"] = NodeName(node),
                    ["topology.kubernetes.io/zone"] = $"{s_regions[id % s_regions.Length]}{(char)('a' + (node % 3))}",
                    ["node.kubernetes.io/instance-type"] = "m6i.2xlarge",
                },
                BootId = new Guid(id, (short)node, 0, [1, 2, 3, 4, 5, 6, 7, 8]).ToString(),
            }.Write());
        }

        for (int identity = 0; identity * PodsPerIdentity < podCount; identity++)
        {
            IdentityLabels labels = IdentityLabels.OfKubernetes(new Dictionary<string, string>
            {
                ["app"] = $"{App(identity)}-{identity}",
                ["io.cilium.k8s.policy.cluster"] = Name,
                ["io.cilium.k8s.policy.serviceaccount"] = App(identity),
                ["io.kubernetes.pod.namespace"] = $"team-{identity % 20}",
            });
            yield return new StoreWrite($"{MeshKeys.Prefix(Name, MeshRecordKind.Identity, true)}{IdentityOf(identity * PodsPerIdentity)}", labels.Write());
        }

        for (int pod = 0; pod < podCount; pod++)
        {
            IpIdentity pair = new(IpPrefix.Host(IpAddress.Parse(PodIp(pod))), true, IpAddress.Parse(NodeIp(pod % nodeCount)), IdentityOf(pod))
            {
                Namespace = $"team-{pod / PodsPerIdentity % 20}",
                PodName = $"{App(pod / PodsPerIdentity)}-{pod / PodsPerIdentity}-{(uint)(pod * 2654435761L):x8}-{pod:x5}",
                ServiceAccount = App(pod / PodsPerIdentity),
                NamedPorts = [new NamedPort("http", 8080, IpProtocol.Tcp)],
            };
            yield return new StoreWrite($"{MeshKeys.Prefix(Name, MeshRecordKind.Ip, true)}{pair.PrefixText}", pair.Write());
        }

        for (int service = 0; service < serviceCount; service++)
        {
            yield return Service(service, 4);
        }

        foreach (MeshRecordKind kind in Enum.GetValues<MeshRecordKind>())
        {
            yield return new StoreWrite(MeshKeys.Canary(Name, kind, true), "2026-11-23T05:02:07Z"u8.ToArray());
        }
    }

    public StoreWrite Config() => new(MeshKeys.ClusterConfig(Name), new ClusterConfig((uint)id, Cached: true).Write());

    /// <summary>A global service with so many backends, the same in every cluster.</summary>
    public StoreWrite Service(int service, int backendCount)
    {
        ServicePort[] backends = [.. Enumerable.Range(0, Math.Min(backendCount, podCount)).Select(i => new ServicePort(IpAddress.Parse(Backend(service, i)), "http", IpProtocol.Tcp, 8080))];
        Dictionary<string, string> none = [];
        ClusterService record = new(
            Name, "default", ServiceName(service), (uint)id, [new ServicePort(IpAddress.Parse($"10.96.{service >> 8}.{service & 255}"), "http", IpProtocol.Tcp, 80)], backends,
            none, new Dictionary<string, ServiceZone>(), none, new Dictionary<string, string> { ["app"] = ServiceName(service) }, true, true);
        return new StoreWrite($"{MeshKeys.Prefix(Name, MeshRecordKind.Service, true)}default/{ServiceName(service)}", record.Write());
    }

    /// <summary>The address of a service's backend of that number.</summary>
    public string Backend(int service, int number) => PodIp(((service * 7) + number) % podCount);

    public static string ServiceName(int service) => $"{App(service)}-{service}";

    private static string App(int number) => s_apps[number % s_apps.Length];

    /// <summary>Node n of cluster c has the pods of 10.x.y.0/24, where x.y counts on over all clusters; 172.16.0.0/12 has the nodes.</summary>
    private int GlobalNode(int node) => ((id - 1) * nodeCount) + node;

    private string NodeName(int node) => $"ip-{NodeIp(node).Replace('.', '-')}.{s_regions[id % s_regions.Length]}.compute.internal";

    private string NodeIp(int node) => IpAddress.FromIpv4(0xAC10_0001 + (uint)GlobalNode(node)).ToString();

    private string PodNet(int node) => string.Create(CultureInfo.InvariantCulture, $"10.{GlobalNode(node) >> 8}.{GlobalNode(node) & 255}.");

    private string PodIp(int pod) => $"{PodNet(pod % nodeCount)}{2 + (pod / nodeCount)}";

    private uint IdentityOf(int pod) => ((uint)id << 16) + 256 + (uint)(pod / PodsPerIdentity);
}
