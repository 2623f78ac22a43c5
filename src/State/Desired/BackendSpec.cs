using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Where a service's flows go.</summary>
public sealed record BackendSpec(IpAddress Address, ushort Port, string Cluster, string Node);
