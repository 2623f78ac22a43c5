namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A backend and the services that use it.</summary>
public sealed record BackendRow(long Id, string Backend, string State, string Cluster, string Node, IReadOnlyList<string> Services);
