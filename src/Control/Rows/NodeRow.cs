using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>Another node.</summary>
public sealed record NodeRow(
    string Name, string Cluster, IReadOnlyList<string> Addresses, [property: JsonPropertyName("podCIDRs")] IReadOnlyList<string> PodCidrs);
