namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>Where a backend is, and in which zones it should be used.</summary>
public sealed record ServiceZone(string Zone, IReadOnlyList<string> ForZones);
