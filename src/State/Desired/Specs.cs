using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>A pod as it is wanted. <paramref name="Source"/> says where that was written ("west.yaml:12" or "endpoints[0]"), for error messages.</summary>
public sealed record EndpointSpec(string Name, string Namespace, string Interface, MacAddress Mac, IReadOnlyList<IpAddress> Addresses, string Source);

/// <summary>Another node as it is known.</summary>
public sealed record NodeSpec(string Name, string Cluster, IReadOnlyList<IpAddress> Addresses, IReadOnlyList<IpPrefix> PodCidrs, string Source);

/// <summary>A route of the person's own, by a next hop on the node network.</summary>
public sealed record RouteSpec(IpPrefix Prefix, IpAddress Via, string Source);

/// <summary>One port of a service.</summary>
public sealed record ServiceSpec(string Name, IpProtocol Protocol, IReadOnlyList<FrontendSpec> Frontends, IReadOnlyList<BackendSpec> Backends, string Source);

/// <summary>Where clients address a service; <paramref name="Address"/> is null for a NodePort, which listens on every node address.</summary>
public sealed record FrontendSpec(ServiceType Type, IpAddress? Address, ushort Port);

/// <summary>Where a service's flows go.</summary>
public sealed record BackendSpec(IpAddress Address, ushort Port, string Cluster, string Node);

/// <summary>The masquerade rules in force.</summary>
public sealed record MasqueradeSpec(bool Enabled, IReadOnlyList<IpPrefix> NonMasqueradeCidrs);

/// <summary>What is fixed for the life of the process: who this node is and where its TAPs towards the world are.</summary>
public sealed record LocalNodeSpec(
    string Name, string Cluster, int ClusterId, IReadOnlyList<InterfaceAddress> Addresses, IReadOnlyList<IpPrefix> PodCidrs,
    IReadOnlyList<IpAddress> RouterAddresses, MacAddress RouterMac, int Mtu, bool AutoDirectNodeRoutes, IReadOnlyList<IpPrefix> NativeRoutingCidrs,
    HostPortSpec? Host, UplinkPortSpec? Uplink, int ConntrackEntries, int SnatEntries, ushort NodePortFirst, ushort NodePortLast, string Source);

/// <summary>An address with the prefix of its link: 172.18.0.5 in 172.18.0.0/16.</summary>
public readonly record struct InterfaceAddress(IpAddress Address, IpPrefix OnLink);

/// <summary>The TAP towards the node's own network stack.</summary>
public sealed record HostPortSpec(string Namespace, string Interface, MacAddress Mac, bool InstallRoutes);

/// <summary>The TAP towards the node network; <paramref name="Mac"/> is the node's address there.</summary>
public sealed record UplinkPortSpec(string Namespace, string Interface, string? Bridge, MacAddress Mac, IReadOnlyList<IpAddress> Gateways);
