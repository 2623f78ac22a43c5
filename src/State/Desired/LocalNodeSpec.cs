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

    public PolicyOptions Policy { get; init; } = new();
}
