namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters or a result with nothing in it: {}.</summary>
public sealed record NoContent;
