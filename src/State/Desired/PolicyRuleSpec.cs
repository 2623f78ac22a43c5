namespace ClusterMesh.Datapath.State.Desired;

/// <summary>One rule: with these peers, at these ports.</summary>
/// <param name="IsIngress">Else egress.</param>
/// <param name="Peers">Null for everybody; an empty list is nobody.</param>
/// <param name="Ports">Null for all; of egress those of the peer, of ingress those of the endpoint.</param>
/// <param name="Source">Where it was written, for explanations.</param>
public sealed record PolicyRuleSpec(bool IsIngress, bool IsDeny, IReadOnlyList<PolicyPeerSpec>? Peers, IReadOnlyList<PolicyPortSpec>? Ports, string Source);
