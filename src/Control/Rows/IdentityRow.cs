namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>An identity and its labels. Type: reserved, cluster or local.</summary>
public sealed record IdentityRow(long Id, string Type, IReadOnlyList<string> Labels);
