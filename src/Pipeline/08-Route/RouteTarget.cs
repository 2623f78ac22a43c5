using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What a prefix leads to. <paramref name="NextHop"/> is unset where the destination itself is the next hop.</summary>
public readonly record struct RouteTarget(RouteKind Kind, int Port, IpAddress NextHop);
