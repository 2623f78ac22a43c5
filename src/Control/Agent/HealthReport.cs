namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>What a node tells another one of how it sees it, at <c>/probes?node=cluster/name</c> of its health port.</summary>
public sealed record HealthReport(string Node, ProbeResult? Icmp, ProbeResult? Http, double AgeSeconds);
