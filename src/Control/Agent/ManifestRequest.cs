namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Parameters of the agent's <c>apply</c>: all objects of all files, or none.</summary>
public sealed record ManifestRequest(IReadOnlyList<ManifestFile> Files);
