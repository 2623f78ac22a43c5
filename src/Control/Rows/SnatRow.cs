namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>One SNAT mapping: the flow as the pod sends it, and the source the world sees.</summary>
/// <param name="IsReturn">Of direct server return: the answers of a backend, and the service that the client sees. Nothing comes back by it.</param>
public sealed record SnatRow(string Protocol, string Source, string Destination, string Translated, long CreatedSecondsAgo, bool IsReturn = false);
