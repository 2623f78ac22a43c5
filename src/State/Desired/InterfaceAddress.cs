using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>An address with the prefix of its link: 172.18.0.5 in 172.18.0.0/16.</summary>
public readonly record struct InterfaceAddress(IpAddress Address, IpPrefix OnLink);
