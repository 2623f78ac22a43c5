namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>
/// What <c>apply</c> brings: whole objects by kind. A kind that is absent is left as it is. The change holds whole or not at all.
/// Documents have setters, not <c>init</c>: the JSON source generator assigns every init-only property and so loses the default of an absent one.
/// </summary>
public sealed record ChangeDocument
{
    public MasqueradeSection? Masquerade { get; set; }

    public IReadOnlyList<EndpointDocument>? Endpoints { get; set; }

    public IReadOnlyList<RemoteNodeDocument>? Nodes { get; set; }

    public IReadOnlyList<RouteDocument>? Routes { get; set; }

    public IReadOnlyList<ServiceDocument>? Services { get; set; }

    public IReadOnlyList<IpcacheDocument>? Ipcache { get; set; }

    public IReadOnlyList<IdentityDocument>? Identities { get; set; }

    public IReadOnlyList<PolicyDocument>? Policies { get; set; }
}
