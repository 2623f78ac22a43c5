using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Another node, of this cluster or of another.</summary>
public sealed record RemoteNodeDocument
{
    /// <summary>Unique together with the cluster.</summary>
    public string Name { get; set; } = "";

    public string Cluster { get; set; } = "default";

    public IReadOnlyList<string> Addresses { get; set; } = [];

    [JsonPropertyName("podCIDRs")]
    public IReadOnlyList<string> PodCidrs { get; set; } = [];
}
