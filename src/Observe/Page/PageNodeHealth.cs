namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>How this node sees another one.</summary>
/// <param name="Node">cluster/node.</param>
/// <param name="Problem">Why it does not answer; null when it does.</param>
/// <param name="Milliseconds">Round trip of the last probe; null when it did not answer.</param>
public sealed record PageNodeHealth(string Node, string? Problem, double? Milliseconds);
