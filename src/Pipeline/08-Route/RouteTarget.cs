using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What a prefix leads to. <paramref name="NextHop"/> is unset where the destination itself is the next hop.</summary>
/// <param name="Tunnel">Number of the tunnel to the node, 0 for none; the next hop is then its far end.</param>
public readonly record struct RouteTarget(RouteKind Kind, int Port, IpAddress NextHop, int Tunnel = 0);
