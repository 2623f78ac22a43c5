using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>How the node serves services; fixed at start.</summary>
public sealed record LoadBalancerSection
{
    /// <summary>random or maglev, for services whose annotations do not say.</summary>
    public string Algorithm { get; set; } = "random";

    /// <summary>snat, dsr or hybrid: how flows from the node network reach backends on other nodes, where annotations do not say.</summary>
    public string Mode { get; set; } = "snat";

    /// <summary>Entries of a Maglev table: one of Cilium's primes.</summary>
    public int MaglevTableSize { get; set; } = 16381;

    /// <summary>Base64 of 12 bytes, the same on all nodes.</summary>
    public string MaglevHashSeed { get; set; } = "JLfvgnHc2kaSUFaI";

    /// <summary>The node network may ask for ClusterIPs.</summary>
    [JsonPropertyName("externalClusterIP")]
    public bool ExternalClusterIp { get; set; }

    /// <summary>Source ranges hold for every type of frontend.</summary>
    public bool SourceRangeAllTypes { get; set; }

    /// <summary>Topology hints count.</summary>
    public bool ServiceTopology { get; set; }

    /// <summary>What a pod that reaches itself through a service sees as its peer.</summary>
    [JsonPropertyName("serviceLoopbackIPv4")]
    public string ServiceLoopbackIpv4 { get; set; } = "169.254.42.1";
}
