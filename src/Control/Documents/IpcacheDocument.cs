namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Who is behind an address or a CIDR; the prefix is its name.</summary>
public sealed record IpcacheDocument
{
    /// <summary>10.1.1.2/32; an address alone is one host.</summary>
    public string Prefix { get; set; } = "";

    /// <summary>Number of the security identity, below 16,777,216.</summary>
    public int Identity { get; set; }

    /// <summary>Address of the node it is behind; absent when it is behind none, or behind this one.</summary>
    public string? TunnelEndpoint { get; set; }

    public int EncryptKey { get; set; }

    /// <summary>Of skiptunnel, hastunnel, ipv6tunnel, remotecluster.</summary>
    public IReadOnlyList<string>? Flags { get; set; }

    /// <summary>Whose it is; this node's own cluster when absent.</summary>
    public string? Cluster { get; set; }

    /// <summary>Who says so, as Cilium names it: kvstore, custom-resource.</summary>
    public string? Source { get; set; }
}
