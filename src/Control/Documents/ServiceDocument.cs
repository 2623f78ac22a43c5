namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>One port of a service with its frontends and backends.</summary>
public sealed record ServiceDocument
{
    /// <summary>Unique: default/webpod, or kube-system/kube-dns:dns when a service has several ports.</summary>
    public string Name { get; set; } = "";

    /// <summary>TCP, UDP, SCTP, or ANY for those of the three that have no service of their own at the address and port.</summary>
    public string Protocol { get; set; } = "TCP";

    /// <summary>service.cilium.io/… as on a Kubernetes service; those of others are kept and mean nothing.</summary>
    public IReadOnlyDictionary<string, string>? Annotations { get; set; }

    /// <summary>It has no frontends: clients find its backends by name.</summary>
    public bool Headless { get; set; }

    /// <summary>None (when absent) or ClientIP.</summary>
    public string? SessionAffinity { get; set; }

    /// <summary>Seconds of silence after which a client's session is over: 1 to 86400, 10800 when absent.</summary>
    public int? SessionAffinityTimeoutSeconds { get; set; }

    /// <summary>Cluster (when absent) or Local: clients from outside get backends of this node only.</summary>
    public string? ExternalTrafficPolicy { get; set; }

    /// <summary>Cluster (when absent) or Local: clients in the cluster get backends of this node only.</summary>
    public string? InternalTrafficPolicy { get; set; }

    /// <summary>Who may reach LoadBalancer frontends from the node network; anybody when absent.</summary>
    public IReadOnlyList<string>? LoadBalancerSourceRanges { get; set; }

    /// <summary>PreferClose: prefer backends whose hints name the node's zone.</summary>
    public string? TrafficDistribution { get; set; }

    public IReadOnlyList<FrontendDocument> Frontends { get; set; } = [];

    public IReadOnlyList<BackendDocument> Backends { get; set; } = [];
}
