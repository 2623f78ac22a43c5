namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Where a service's flows go.</summary>
public sealed record BackendDocument
{
    public string Address { get; set; } = "";

    public int Port { get; set; }

    /// <summary>Cluster the backend lives in; the node's own when absent.</summary>
    public string? Cluster { get; set; }

    public string? Node { get; set; }

    /// <summary>active (when absent), or terminating: keeps its flows, gets no new ones while another is active.</summary>
    public string? State { get; set; }
}
