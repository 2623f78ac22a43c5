namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Result of <c>explain</c>. Verdict: allowed, denied or audited. A side that is not on this node is absent: its own node decides.</summary>
public sealed record ExplainResult(ExplainPeer From, ExplainPeer To, string Port, string Verdict, ExplainSide? Egress = null, ExplainSide? Ingress = null);
