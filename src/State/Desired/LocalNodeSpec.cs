using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What is fixed for the life of the process: who this node is and where its TAPs towards the world are.</summary>
public sealed record LocalNodeSpec(
    string Name, string Cluster, int ClusterId, IReadOnlyList<InterfaceAddress> Addresses, IReadOnlyList<IpPrefix> PodCidrs,
    IReadOnlyList<IpAddress> RouterAddresses, MacAddress RouterMac, int Mtu, bool AutoDirectNodeRoutes, IReadOnlyList<IpPrefix> NativeRoutingCidrs,
    HostPortSpec? Host, UplinkPortSpec? Uplink, int ConntrackEntries, int SnatEntries, ushort NodePortFirst, ushort NodePortLast, string Source)
{
    public FlowOptions Flows { get; init; } = new();
}
