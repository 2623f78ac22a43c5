namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>
/// What <c>apply</c> brings: whole objects by kind. A kind that is absent is left as it is. The change holds whole or not at all.
/// </summary>
public sealed record ChangeDocument
{
    public MasqueradeSection? Masquerade { get; init; }

    public IReadOnlyList<EndpointDocument>? Endpoints { get; init; }

    public IReadOnlyList<RemoteNodeDocument>? Nodes { get; init; }

    public IReadOnlyList<RouteDocument>? Routes { get; init; }

    public IReadOnlyList<ServiceDocument>? Services { get; init; }
}

/// <summary>A pod: a namespace whose interface is a TAP of this forwarder.</summary>
public sealed record EndpointDocument
{
    /// <summary>Unique: default/curl-pod.</summary>
    public string Name { get; init; } = "";

    /// <summary>Name under /run/netns, or a path.</summary>
    public string Namespace { get; init; } = "";

    public string Interface { get; init; } = "eth0";

    public string? Mac { get; init; }

    /// <summary>At most one a family, inside the node's pod CIDRs.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];
}

/// <summary>Another node, of this cluster or of another.</summary>
public sealed record RemoteNodeDocument
{
    /// <summary>Unique together with the cluster.</summary>
    public string Name { get; init; } = "";

    public string Cluster { get; init; } = "default";

    public IReadOnlyList<string> Addresses { get; init; } = [];

    [System.Text.Json.Serialization.JsonPropertyName("podCIDRs")]
    public IReadOnlyList<string> PodCidrs { get; init; } = [];
}

/// <summary>A route of the person's own; the prefix is its name.</summary>
public sealed record RouteDocument
{
    public string Prefix { get; init; } = "";

    /// <summary>Next hop on the node network.</summary>
    public string Via { get; init; } = "";
}

/// <summary>One port of a service with its frontends and backends.</summary>
public sealed record ServiceDocument
{
    /// <summary>Unique: default/webpod, or kube-system/kube-dns:dns when a service has several ports.</summary>
    public string Name { get; init; } = "";

    /// <summary>TCP, UDP or SCTP.</summary>
    public string Protocol { get; init; } = "TCP";

    public IReadOnlyList<FrontendDocument> Frontends { get; init; } = [];

    public IReadOnlyList<BackendDocument> Backends { get; init; } = [];
}

/// <summary>Where clients address a service.</summary>
public sealed record FrontendDocument
{
    /// <summary>ClusterIP or NodePort.</summary>
    public string Type { get; init; } = "ClusterIP";

    /// <summary>Needed for ClusterIP; a NodePort listens on every address of the node.</summary>
    public string? Address { get; init; }

    public int Port { get; init; }
}

/// <summary>Where a service's flows go.</summary>
public sealed record BackendDocument
{
    public string Address { get; init; } = "";

    public int Port { get; init; }

    /// <summary>Cluster the backend lives in; the node's own when absent.</summary>
    public string? Cluster { get; init; }

    public string? Node { get; init; }
}
