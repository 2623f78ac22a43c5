namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>One slot of a frontend; slots count from 1. Backend is written 10.0.1.14:80/TCP, the state as Cilium names it: active, terminating, …</summary>
public sealed record ServiceBackendRow(int Slot, long Id, string Backend, string State, string Cluster, bool Preferred);
