namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Result of <c>watch</c>: the number that its events bear.</summary>
public sealed record WatchResult(long Subscription);
