namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>
/// Everything one forwarder is told: a node file (YAML) holds exactly this, and <c>config</c> answers with it.
/// The first sections are fixed for the life of the process; those of <see cref="ChangeDocument"/> can change while it runs.
/// </summary>
public sealed record NodeDocument
{
    public NodeSection Node { get; set; } = new();

    /// <summary>Path of the control socket; /run/cmesh/&lt;cluster&gt;-&lt;node&gt;/control.sock when absent.</summary>
    public string? Socket { get; set; }

    /// <summary>The TAP towards the node's own network stack; absent when the node has none.</summary>
    public HostSection? Host { get; set; }

    /// <summary>The TAP towards the node network.</summary>
    public UplinkSection? Uplink { get; set; }

    public RoutingSection Routing { get; set; } = new();

    public LoadBalancerSection LoadBalancer { get; set; } = new();

    public MasqueradeSection? Masquerade { get; set; }

    public TablesSection Tables { get; set; } = new();

    public FlowsSection Flows { get; set; } = new();

    public PolicySection Policy { get; set; } = new();

    public IReadOnlyList<EndpointDocument>? Endpoints { get; set; }

    /// <summary>The other nodes, of this cluster and of others: each gives routes to its pods.</summary>
    public IReadOnlyList<RemoteNodeDocument>? Nodes { get; set; }

    public IReadOnlyList<RouteDocument>? Routes { get; set; }

    public IReadOnlyList<ServiceDocument>? Services { get; set; }

    /// <summary>Who is behind which address; not in the answer of <c>config</c>, since <c>list</c> gives it page by page.</summary>
    public IReadOnlyList<IpcacheDocument>? Ipcache { get; set; }

    /// <summary>The labels of identities; as <see cref="Ipcache"/>.</summary>
    public IReadOnlyList<IdentityDocument>? Identities { get; set; }

    public IReadOnlyList<PolicyDocument>? Policies { get; set; }
}
