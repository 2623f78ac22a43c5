namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Lines for people.</summary>
public sealed record TextResult(IReadOnlyList<string> Lines);
