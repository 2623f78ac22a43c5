namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What an endpoint may hear and say. A direction without a map is open.</summary>
/// <param name="IsAudit">What would be denied passes, and is told.</param>
public sealed record EndpointPolicy(PolicyMap? Ingress, PolicyMap? Egress, bool IsAudit);
