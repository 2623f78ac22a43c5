using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>How packets for pods of other nodes travel.</summary>
public sealed record RoutingSection
{
    /// <summary>Only <c>native</c> so far.</summary>
    public string Mode { get; set; } = "native";

    public int Mtu { get; set; } = 1500;

    [JsonPropertyName("ipv4NativeRoutingCIDR")]
    public string? Ipv4NativeRoutingCidr { get; set; }

    [JsonPropertyName("ipv6NativeRoutingCIDR")]
    public string? Ipv6NativeRoutingCidr { get; set; }

    /// <summary>Route to each node's pod CIDRs directly by its address; without it only <c>routes</c> count.</summary>
    public bool AutoDirectNodeRoutes { get; set; } = true;
}
