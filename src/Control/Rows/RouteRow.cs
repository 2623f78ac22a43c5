namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A prefix of the forwarding table. Kind: endpoint, host, node, gateway, onlink. Via is empty where there is no next hop.</summary>
public sealed record RouteRow(string Prefix, string Kind, string Via, string Port, string Origin);
