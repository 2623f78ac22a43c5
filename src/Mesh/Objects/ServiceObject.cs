namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A service of the own cluster, as its manifest says.</summary>
public sealed record ServiceObject(string Namespace, string Name)
{
    public IReadOnlyDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Annotations { get; set; } = new Dictionary<string, string>();

    /// <summary>Labels of its pods; empty when its endpoint slices are written by hand.</summary>
    public IReadOnlyDictionary<string, string> Selector { get; set; } = new Dictionary<string, string>();

    /// <summary>ClusterIP, NodePort or LoadBalancer.</summary>
    public string Type { get; set; } = "ClusterIP";

    /// <summary>Empty for a headless service.</summary>
    public IReadOnlyList<string> ClusterIps { get; set; } = [];

    public IReadOnlyList<ServicePortObject> Ports { get; set; } = [];

    public IReadOnlyList<string> LoadBalancerIps { get; set; } = [];

    public IReadOnlyList<string> ExternalIps { get; set; } = [];

    public IReadOnlyList<string> LoadBalancerSourceRanges { get; set; } = [];

    /// <summary>Empty, or ClientIP.</summary>
    public string SessionAffinity { get; set; } = "";

    /// <summary>0 for the default.</summary>
    public int SessionAffinitySeconds { get; set; }

    /// <summary>Empty for Cluster.</summary>
    public string ExternalTrafficPolicy { get; set; } = "";

    public string InternalTrafficPolicy { get; set; } = "";

    /// <summary>Empty, or PreferClose.</summary>
    public string TrafficDistribution { get; set; } = "";

    public string Key => $"{Namespace}/{Name}";
}
