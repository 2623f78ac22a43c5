namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Where clients address a service.</summary>
public sealed record FrontendDocument
{
    /// <summary>ClusterIP or NodePort.</summary>
    public string Type { get; set; } = "ClusterIP";

    /// <summary>Needed for ClusterIP; a NodePort listens on every address of the node.</summary>
    public string? Address { get; set; }

    public int Port { get; set; }
}
