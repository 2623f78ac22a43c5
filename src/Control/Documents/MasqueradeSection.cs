using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Whose traffic leaves under the node's address.</summary>
public sealed record MasqueradeSection
{
    public bool Enabled { get; set; } = true;

    /// <summary>Destinations that see the pod's own address (ip-masq-agent).</summary>
    [JsonPropertyName("nonMasqueradeCIDRs")]
    public IReadOnlyList<string> NonMasqueradeCidrs { get; set; } = [];

    /// <summary>False exempts 169.254.0.0/16 too.</summary>
    public bool MasqLinkLocal { get; set; }

    /// <summary>False exempts fe80::/10 too.</summary>
    [JsonPropertyName("masqLinkLocalIPv6")]
    public bool MasqLinkLocalIpv6 { get; set; }
}
