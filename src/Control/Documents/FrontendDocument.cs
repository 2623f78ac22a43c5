namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Where clients address a service.</summary>
public sealed record FrontendDocument
{
    /// <summary>ClusterIP, NodePort, LoadBalancer, ExternalIPs or HostPort.</summary>
    public string Type { get; set; } = "ClusterIP";

    /// <summary>Not for NodePort, which listens on every address of the node; HostPort does so when it is absent.</summary>
    public string? Address { get; set; }

    public int Port { get; set; }
}
