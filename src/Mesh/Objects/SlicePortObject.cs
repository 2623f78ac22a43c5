namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A port of all endpoints of a slice, or a named one of a pod.</summary>
public sealed record SlicePortObject(string Name, string Protocol, int Port);
