namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>How full a fixed-size table is.</summary>
public sealed record TableFill(long Entries, long Capacity);
