namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>takeover</c>.</summary>
public sealed record TakeoverRequest(TakeoverPhase Phase);
