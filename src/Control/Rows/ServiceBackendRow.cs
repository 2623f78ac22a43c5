namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>One slot of a frontend; slots count from 1.</summary>
public sealed record ServiceBackendRow(int Slot, long Id, string Backend, string State, string Cluster, bool Preferred);
