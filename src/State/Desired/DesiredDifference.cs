namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What a change makes of one wanted state on the way to the next; everything behind it works on this alone.</summary>
public sealed record DesiredDifference
{
    public bool IsMasqueradeChanged { get; init; }

    public KindDifference<EndpointSpec> Endpoints { get; init; } = new();

    public KindDifference<NodeSpec> Nodes { get; init; } = new();

    public KindDifference<RouteSpec> Routes { get; init; } = new();

    public KindDifference<ServiceSpec> Services { get; init; } = new();

    public KindDifference<IpcacheSpec> Ipcache { get; init; } = new();

    public KindDifference<IdentitySpec> Identities { get; init; } = new();

    public KindDifference<PolicySpec> Policies { get; init; } = new();

    /// <summary>Objects that were added, removed or are different now; the masquerade rules are one.</summary>
    public int ChangedCount =>
        (IsMasqueradeChanged ? 1 : 0) + Endpoints.ChangedCount + Nodes.ChangedCount + Routes.ChangedCount + Services.ChangedCount
        + Ipcache.ChangedCount + Identities.ChangedCount + Policies.ChangedCount;
}
