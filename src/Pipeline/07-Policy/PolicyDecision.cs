using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What the rules of an endpoint say about a packet.</summary>
/// <param name="Kind">Allowed, denied by a rule, or of no rule's concern.</param>
/// <param name="Match">By what the rule matched that decided.</param>
public readonly record struct PolicyDecision(PolicyDecisionKind Kind, PolicyMatch Match);
