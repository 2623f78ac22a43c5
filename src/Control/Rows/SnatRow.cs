namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>One SNAT mapping: the flow as the pod sends it, and the source the world sees.</summary>
public sealed record SnatRow(string Protocol, string Source, string Destination, string Translated, long CreatedSecondsAgo);
