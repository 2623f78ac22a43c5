using System.Net;

namespace ClusterMesh.Datapath.Agent.Probing;

/// <summary>A node that is tried.</summary>
/// <param name="Endpoint">Its health endpoint among the pods; null when it has none.</param>
internal sealed record HealthTarget(string Cluster, string Node, IPAddress Address, IPAddress? Endpoint)
{
    public string Key => $"{Cluster}/{Node}";
}
