namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Where a service's flows go.</summary>
public sealed record BackendDocument
{
    public string Address { get; set; } = "";

    public int Port { get; set; }

    /// <summary>Cluster the backend lives in; the node's own when absent.</summary>
    public string? Cluster { get; set; }

    public string? Node { get; set; }

    /// <summary>active (when absent), terminating, terminating-not-serving, quarantined or maintenance.</summary>
    public string? State { get; set; }

    /// <summary>Share of a Maglev table: 1 to 65535, 100 when absent.</summary>
    public int? Weight { get; set; }

    /// <summary>Zones whose nodes shall use it (topology hints).</summary>
    public IReadOnlyList<string>? ForZones { get; set; }
}
