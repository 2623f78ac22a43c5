namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>watch</c>.</summary>
public sealed record WatchRequest(string Kind, int? IntervalMilliseconds = null);
