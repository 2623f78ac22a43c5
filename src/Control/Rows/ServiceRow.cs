namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A frontend with its backends in slot order.</summary>
public sealed record ServiceRow(long Id, string Frontend, string Type, string Name, IReadOnlyList<ServiceBackendRow> Backends);
