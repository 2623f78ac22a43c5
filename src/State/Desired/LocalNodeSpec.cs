using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What is fixed for the life of the process: who this node is and where its TAPs towards the world are.</summary>
public sealed record LocalNodeSpec(
    string Name, string Cluster, int ClusterId, IReadOnlyList<InterfaceAddress> Addresses, IReadOnlyList<IpPrefix> PodCidrs,
    IReadOnlyList<IpAddress> RouterAddresses, MacAddress RouterMac, int Mtu, bool AutoDirectNodeRoutes, IReadOnlyList<IpPrefix> NativeRoutingCidrs,
    HostPortSpec? Host, UplinkPortSpec? Uplink, int ConntrackEntries, int SnatEntries, ushort NodePortFirst, ushort NodePortLast, string Source)
{
    /// <summary>Of the node, as Kubernetes has them; its zone among them.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    public LoadBalancerSpec LoadBalancer { get; init; } = LoadBalancerSpec.Default;

    /// <summary>Sessions of clients that the node keeps in mind.</summary>
    public int AffinityEntries { get; init; } = Pipeline.LiveTables.DefaultAffinityCapacity;

    /// <summary>Where the node stands (topology.kubernetes.io/zone); empty when it is not known.</summary>
    public string Zone => Labels.GetValueOrDefault("topology.kubernetes.io/zone", "");

    public FlowOptions Flows { get; init; } = new();

    /// <summary>Null where packets for other nodes' pods travel as they are.</summary>
    public TunnelSpec? Tunnel { get; init; }

    /// <summary>255 or 511: by it an identity tells its cluster.</summary>
    public int MaxConnectedClusters { get; init; } = 255;

    /// <summary>Other nodes give routes to their pods.</summary>
    public bool HasNodeRoutes => AutoDirectNodeRoutes || Tunnel is not null;

    /// <summary>Longest datagram that a pod can send to any other.</summary>
    public int PodMtu => Mtu - (Tunnel?.Overhead ?? 0);

    public PolicyOptions Policy { get; init; } = new();
}
