using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Another node as it is known.</summary>
public sealed record NodeSpec(string Name, string Cluster, IReadOnlyList<IpAddress> Addresses, IReadOnlyList<IpPrefix> PodCidrs, string Source);
