namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>explain</c>: an endpoint's name or an address each, and a port with its protocol: 80/TCP, 8/ICMP.</summary>
public sealed record ExplainRequest(string From, string To, string Port);
