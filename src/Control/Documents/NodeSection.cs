using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Who this node is.</summary>
public sealed record NodeSection
{
    public string Name { get; set; } = "";

    public string Cluster { get; set; } = "default";

    /// <summary>1 to 255, or to 511 in a mesh of that size; 0 when the node belongs to none.</summary>
    public int ClusterId { get; set; }

    /// <summary>Addresses of the node on the node network with their prefix length: 172.18.0.5/16.</summary>
    public IReadOnlyList<string> Addresses { get; set; } = [];

    /// <summary>Pods of this node have addresses from here.</summary>
    [JsonPropertyName("podCIDRs")]
    public IReadOnlyList<string> PodCidrs { get; set; } = [];

    /// <summary>As Kubernetes has them; topology.kubernetes.io/zone is where the node stands.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; set; }

    /// <summary>255 or 511, the same in the whole mesh: by it an identity tells its cluster. What the cluster's id needs when absent.</summary>
    public int? MaxConnectedClusters { get; set; }

    /// <summary>Router address that pods use as their gateway (cilium_host); the first address of each pod CIDR when absent.</summary>
    public IReadOnlyList<string>? RouterAddresses { get; set; }
}
