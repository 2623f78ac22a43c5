namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Names one remote cluster; all when it is absent.</summary>
public sealed record ClusterRequest(string? Cluster = null);
