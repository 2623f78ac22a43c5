using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State;

/// <summary>What the policies of one end say about a peer and a port, and by which rules.</summary>
/// <param name="IsClosed">What no rule allows is denied.</param>
/// <param name="Matching">All rules that match, those that deny first.</param>
public sealed record PolicySide(PolicyDecision Decision, bool IsClosed, IReadOnlyList<(PolicySpec Policy, PolicyRuleSpec Rule)> Matching);
