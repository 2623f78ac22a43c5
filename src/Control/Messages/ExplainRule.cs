namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>A rule that matches. Action: allow or deny.</summary>
public sealed record ExplainRule(string Policy, string Action, string Peers, string Ports, string Source);
