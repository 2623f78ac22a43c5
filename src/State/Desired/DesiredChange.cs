namespace ClusterMesh.Datapath.State.Desired;

/// <summary>
/// A validated request to change the configuration. With <see cref="Replace"/> each list that is present is the whole set of its
/// kind; without, its objects are added or replace those of the same name. Lists that are null change nothing.
/// </summary>
public sealed record DesiredChange
{
    public bool Replace { get; init; }

    public MasqueradeSpec? Masquerade { get; init; }

    public IReadOnlyList<EndpointSpec>? Endpoints { get; init; }

    public IReadOnlyList<NodeSpec>? Nodes { get; init; }

    public IReadOnlyList<RouteSpec>? Routes { get; init; }

    public IReadOnlyList<ServiceSpec>? Services { get; init; }

    public IReadOnlyList<IpcacheSpec>? Ipcache { get; init; }

    public IReadOnlyList<IdentitySpec>? Identities { get; init; }

    public IReadOnlyList<PolicySpec>? Policies { get; init; }
}
