namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>How the node takes policies; fixed at start.</summary>
public sealed record PolicySection
{
    /// <summary>What would be denied passes, and is told as audited.</summary>
    public bool AuditMode { get; set; }

    /// <summary><c>default</c>: policies close what they select; <c>always</c>: every endpoint is closed; <c>never</c>: no policy counts.</summary>
    public string Enforcement { get; set; } = "default";

    /// <summary>The node itself reaches its pods unless a rule denies it.</summary>
    public bool AllowLocalhost { get; set; } = true;

    /// <summary>Policies for nodes hold for the node's own stack.</summary>
    public bool HostFirewall { get; set; }

    /// <summary>What a sender hears whose own policy forbids the packet: <c>none</c>, or <c>icmp</c>.</summary>
    public string DenyResponse { get; set; } = "none";
}
