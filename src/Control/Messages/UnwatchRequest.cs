namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>unwatch</c>.</summary>
public sealed record UnwatchRequest(long Subscription);
