namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A TAP. Kind: endpoint, host, uplink. State: "up", or "down: the reason".</summary>
public sealed record PortRow(int Id, string Name, string Kind, string Namespace, string Interface, string Mac, int Mtu, string State);
