using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Where a service's flows go.</summary>
public sealed record BackendSpec(IpAddress Address, ushort Port, string Cluster, string Node, BackendState State = BackendState.Active);
