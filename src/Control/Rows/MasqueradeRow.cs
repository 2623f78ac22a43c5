namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A prefix whose hosts see pods under their own addresses.</summary>
public sealed record MasqueradeRow(string Prefix);
