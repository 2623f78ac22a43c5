namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// What <c>cmesh trace -o json</c> prints: the packet's way from node to node, the answer's way back, and one sentence about each. Of a node's
/// packets the last is the one that the line is about: an answer needs the packet that it answers before it.
/// </summary>
public sealed record TraceReport(IReadOnlyList<TraceResult> Forth, IReadOnlyList<TraceResult> Back, string Summary, string AnswerSummary);
