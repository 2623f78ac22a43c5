namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Result of <c>apply</c> and <c>delete</c>: the configuration's version now, and how many objects changed.</summary>
public sealed record ChangeResult(long Version, int Changed);
