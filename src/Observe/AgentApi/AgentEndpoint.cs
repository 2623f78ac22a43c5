namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>A pod of this node: a row of `cilium-dbg endpoint list`.</summary>
public sealed record AgentEndpoint
{
    public required int Id { get; init; }

    public required AgentIdentity Identity { get; init; }

    public string Namespace { get; init; } = "";

    public string Pod { get; init; } = "";

    public string? Ipv4 { get; init; }

    public string? Ipv6 { get; init; }

    public string Interface { get; init; } = "";

    public int InterfaceIndex { get; init; }

    public string Mac { get; init; } = "";

    /// <summary>ready, waiting-for-identity, not-ready, disconnected, …</summary>
    public string State { get; init; } = "ready";

    /// <summary>none, ingress, egress, both, or those with audit- before.</summary>
    public string PolicyEnforcement { get; init; } = "none";
}
