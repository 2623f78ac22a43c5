using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>How packets for pods of other nodes travel.</summary>
public sealed record RoutingSection
{
    /// <summary><c>native</c>: as they are; <c>tunnel</c>: wrapped.</summary>
    public string Mode { get; set; } = "native";

    public int Mtu { get; set; } = 1500;

    /// <summary>In mode tunnel; only <c>vxlan</c>, and that when absent.</summary>
    public string? TunnelProtocol { get; set; }

    /// <summary>UDP port of the tunnels, the same on all nodes; 8472 when absent.</summary>
    public int? TunnelPort { get; set; }

    /// <summary>Family of the outer headers, <c>ipv4</c> or <c>ipv6</c>; that of the node's first address when absent.</summary>
    public string? UnderlayProtocol { get; set; }

    /// <summary>Whether outer UDP headers have a checksum; over IPv6 yes, over IPv4 no, when absent.</summary>
    public bool? TunnelChecksum { get; set; }

    /// <summary>Whether the outer headers repeat the inner DSCP; no when absent.</summary>
    public bool? TunnelInheritDscp { get; set; }

    /// <summary>Whether super-packets go into the uplink whole where its kernel can cut them behind outer headers (Linux 6.17); yes when absent.</summary>
    public bool? TunnelOffload { get; set; }

    [JsonPropertyName("ipv4NativeRoutingCIDR")]
    public string? Ipv4NativeRoutingCidr { get; set; }

    [JsonPropertyName("ipv6NativeRoutingCIDR")]
    public string? Ipv6NativeRoutingCidr { get; set; }

    /// <summary>Route to each node's pod CIDRs directly by its address; without it only <c>routes</c> count.</summary>
    public bool AutoDirectNodeRoutes { get; set; } = true;
}
