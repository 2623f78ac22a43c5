namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>One node of the mesh as a node's agent sees it, and how that node sees this one. Times are milliseconds, ages seconds.</summary>
/// <param name="IsLocal">It is this node itself.</param>
/// <param name="NodeIcmp">From here to the node's address.</param>
/// <param name="NodeHttp">To its health port.</param>
/// <param name="EndpointAddress">Its health endpoint among the pods; null when it has none.</param>
/// <param name="BackIcmp">From there to here, as the node itself tells; null when it does not.</param>
/// <param name="BackAgeSeconds">How old that is.</param>
public sealed record HealthRow(
    string Cluster, string Node, string Address, bool IsLocal, ProbeResult? NodeIcmp, ProbeResult? NodeHttp,
    string? EndpointAddress, ProbeResult? EndpointIcmp, ProbeResult? EndpointHttp,
    ProbeResult? BackIcmp, ProbeResult? BackHttp, double? BackAgeSeconds, double? AgeSeconds);
