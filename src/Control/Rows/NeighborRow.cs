namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A neighbour on the node network. State: reachable, stale, probe, incomplete, failed.</summary>
public sealed record NeighborRow(string Address, string Mac, string State, string Port, long AgeSeconds);
