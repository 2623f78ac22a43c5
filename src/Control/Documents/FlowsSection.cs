using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>How the node treats flows where there is a choice; fixed at start.</summary>
public sealed record FlowsSection
{
    /// <summary><c>reject</c> answers a packet for a service without backends by ICMP, <c>drop</c> does not.</summary>
    public string ServiceNoBackendResponse { get; set; } = "reject";

    /// <summary>Path of ip-masq-agent's file, /etc/config/ip-masq-agent with Cilium; absent: <c>masquerade.nonMasqueradeCIDRs</c> counts.</summary>
    public string? IpMasqAgentConfigPath { get; set; }

    /// <summary>Pods reach other nodes' addresses under the node's.</summary>
    public bool EnableRemoteNodeMasquerade { get; set; }

    /// <summary>What is masqueraded in IPv4 is in IPv6, too; false leaves pods' IPv6 addresses as they are.</summary>
    [JsonPropertyName("enableIPv6Masquerade")]
    public bool EnableIpv6Masquerade { get; set; } = true;

    /// <summary><c>follow</c>: later fragments follow the first; <c>hold</c>: those that come before it wait; <c>drop</c>: none passes.</summary>
    public string Fragments { get; set; } = "follow";

    /// <summary>Flows of each pod of this node at once; 0 is no limit.</summary>
    public int MaxFlowsPerPod { get; set; }

    /// <summary>Flows that each pod of this node begins in a second.</summary>
    public int MaxNewFlowsPerPod { get; set; }

    /// <summary>Flows at once of each prefix that speaks by the uplink.</summary>
    public int MaxFlowsPerSource { get; set; }

    /// <summary>Flows that each prefix that speaks by the uplink begins in a second.</summary>
    public int MaxNewFlowsPerSource { get; set; }

    /// <summary>Bits of an IPv4 address of the node network that make a source.</summary>
    public int SourcePrefixIPv4 { get; set; } = 32;

    public int SourcePrefixIPv6 { get; set; } = 64;

    /// <summary>New flows a second of each port that pass, however many more frames come than the node can take; 0 gives up none.</summary>
    public int NewFlowsUnderLoad { get; set; } = 10_000;
}
