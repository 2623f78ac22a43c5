namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>delete</c>.</summary>
public sealed record DeleteRequest(string Kind, IReadOnlyList<string> Names);
