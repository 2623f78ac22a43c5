using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>A route of the person's own, by a next hop on the node network.</summary>
public sealed record RouteSpec(IpPrefix Prefix, IpAddress Via, string Source);
