namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A frontend with its backends in slot order. Frontend is written 10.2.33.10:80/TCP.</summary>
public sealed record ServiceRow(long Id, string Frontend, string Type, string Name, IReadOnlyList<ServiceBackendRow> Backends);
