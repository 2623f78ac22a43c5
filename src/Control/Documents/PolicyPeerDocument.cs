namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Some peers: by labels, by entity or by CIDR.</summary>
public sealed record PolicyPeerDocument
{
    /// <summary>As a policy's selector.</summary>
    public string? Labels { get; set; }

    /// <summary>world, cluster, host and so on.</summary>
    public string? Entity { get; set; }

    public string? Cidr { get; set; }

    /// <summary>Parts of the CIDR that are not meant.</summary>
    public IReadOnlyList<string>? Except { get; set; }
}
