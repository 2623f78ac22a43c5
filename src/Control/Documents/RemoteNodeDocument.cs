using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Another node, of this cluster or of another.</summary>
public sealed record RemoteNodeDocument
{
    /// <summary>Unique together with the cluster.</summary>
    public string Name { get; set; } = "";

    /// <summary>The cluster it belongs to; this node's own when absent.</summary>
    public string? Cluster { get; set; }

    /// <summary>Of its cluster; through a tunnel the node may then speak for that cluster's identities only.</summary>
    public int ClusterId { get; set; }

    /// <summary>MAC address of a kernel's vxlan device there; other far ends do not look at it.</summary>
    public string? TunnelMac { get; set; }

    public IReadOnlyList<string> Addresses { get; set; } = [];

    [JsonPropertyName("podCIDRs")]
    public IReadOnlyList<string> PodCidrs { get; set; } = [];
}
