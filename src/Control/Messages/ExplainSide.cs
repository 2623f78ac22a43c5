namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>What one end's policies say. Match as Cilium names it: L3-Only, L3-L4, L4-Only, all, L3-Proto, Proto-Only, none. Reason is one sentence.</summary>
public sealed record ExplainSide(string Verdict, string Match, string Reason, IReadOnlyList<ExplainRule> Rules);
