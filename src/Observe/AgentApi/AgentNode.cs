namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>A node of any cluster: a row of `cilium-dbg node list`. Absent addresses are null.</summary>
/// <param name="Name">cluster/node.</param>
/// <param name="Source">Who told of it: local, kvstore, clustermesh, custom-resource.</param>
public sealed record AgentNode(string Name, string? Ipv4, string? Ipv4PodCidr, string? Ipv6, string? Ipv6PodCidr, string Source);
