namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What becomes of a packet by policy.</summary>
public enum PolicyDecisionKind : byte
{
    /// <summary>No rule allows it, and the endpoint is closed to what no rule allows.</summary>
    DefaultDeny,

    /// <summary>A rule allows it, or the endpoint is open.</summary>
    Allow,

    /// <summary>A deny rule matches; no other rule counts.</summary>
    Deny,
}
