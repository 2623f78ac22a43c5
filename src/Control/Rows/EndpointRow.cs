namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A pod and its TAP, as <c>list endpoint</c> gives it.</summary>
public sealed record EndpointRow(int Id, string Name, IReadOnlyList<string> Addresses, string Mac, string Namespace, string Interface, string State);
