namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>What leaves under the node's address.</summary>
/// <param name="ExclusionCidr">ipv4NativeRoutingCIDR; empty when there is none.</param>
public sealed record Masquerading(bool Ipv4, bool Ipv6, bool UsesMasqAgent, string ExclusionCidr);
