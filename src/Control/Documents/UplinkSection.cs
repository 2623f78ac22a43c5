using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>The node's place on the node network.</summary>
public sealed record UplinkSection
{
    public string Namespace { get; set; } = "";

    public string Interface { get; set; } = "";

    /// <summary>Bridge in the same namespace that the TAP is plugged into; none when absent.</summary>
    public string? Bridge { get; set; }

    /// <summary>MAC address of the node on the node network; derived from the node's name when absent.</summary>
    public string? Mac { get; set; }

    /// <summary>Default gateways, at most one a family.</summary>
    public IReadOnlyList<string>? Gateways { get; set; }

    /// <summary>Directory where forwarders of this machine meet to exchange frames through memory; none when absent.</summary>
    public string? SharedMemory { get; set; }

    /// <summary>Who asks the node network for the IPv6 address of one of the node's pods is told the node's MAC address (Cilium's enable-ipv6-ndp).</summary>
    [JsonPropertyName("enableIPv6NDP")]
    public bool EnableIpv6Ndp { get; set; }

    /// <summary>
    /// on, off, or those that the link has, of checksum, tso4, tso6, ecn, uso4 and uso6, with commas between: what it lacks is done in software.
    /// </summary>
    public string Offloads { get; set; } = "on";
}
