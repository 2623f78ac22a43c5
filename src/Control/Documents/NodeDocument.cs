using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>
/// Everything one forwarder is told: a node file (YAML) holds exactly this, and <c>config</c> answers with it.
/// The first sections are fixed for the life of the process; those of <see cref="ChangeDocument"/> can change while it runs.
/// </summary>
public sealed record NodeDocument
{
    public NodeSection Node { get; init; } = new();

    /// <summary>Path of the control socket; /run/cmesh/&lt;cluster&gt;-&lt;node&gt;/control.sock when absent.</summary>
    public string? Socket { get; init; }

    /// <summary>The TAP towards the node's own network stack; absent when the node has none.</summary>
    public HostSection? Host { get; init; }

    /// <summary>The TAP towards the node network.</summary>
    public UplinkSection? Uplink { get; init; }

    public RoutingSection Routing { get; init; } = new();

    public MasqueradeSection? Masquerade { get; init; }

    public TablesSection Tables { get; init; } = new();

    public IReadOnlyList<EndpointDocument>? Endpoints { get; init; }

    /// <summary>The other nodes, of this cluster and of others: each gives routes to its pods.</summary>
    public IReadOnlyList<RemoteNodeDocument>? Nodes { get; init; }

    public IReadOnlyList<RouteDocument>? Routes { get; init; }

    public IReadOnlyList<ServiceDocument>? Services { get; init; }
}

/// <summary>Who this node is.</summary>
public sealed record NodeSection
{
    public string Name { get; init; } = "";

    public string Cluster { get; init; } = "default";

    /// <summary>1 to 255, 0 when the node belongs to no mesh.</summary>
    public int ClusterId { get; init; }

    /// <summary>Addresses of the node on the node network with their prefix length: 172.18.0.5/16.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Pods of this node have addresses from here.</summary>
    [JsonPropertyName("podCIDRs")]
    public IReadOnlyList<string> PodCidrs { get; init; } = [];

    /// <summary>Router address that pods use as their gateway (cilium_host); the first address of each pod CIDR when absent.</summary>
    public IReadOnlyList<string>? RouterAddresses { get; init; }
}

/// <summary>The node's own network stack.</summary>
public sealed record HostSection
{
    /// <summary>Name under /run/netns, or a path.</summary>
    public string Namespace { get; init; } = "";

    public string Interface { get; init; } = "eth0";

    public string? Mac { get; init; }

    /// <summary>Mirror the routes to other nodes' pods into the host's kernel table, so that <c>ip route</c> there shows them.</summary>
    public bool InstallRoutes { get; init; } = true;
}

/// <summary>The node's place on the node network.</summary>
public sealed record UplinkSection
{
    public string Namespace { get; init; } = "";

    public string Interface { get; init; } = "";

    /// <summary>Bridge in the same namespace that the TAP is plugged into; none when absent.</summary>
    public string? Bridge { get; init; }

    /// <summary>MAC address of the node on the node network; derived from the node's name when absent.</summary>
    public string? Mac { get; init; }

    /// <summary>Default gateways, at most one a family.</summary>
    public IReadOnlyList<string>? Gateways { get; init; }
}

/// <summary>How packets for pods of other nodes travel.</summary>
public sealed record RoutingSection
{
    /// <summary>Only <c>native</c> so far.</summary>
    public string Mode { get; init; } = "native";

    public int Mtu { get; init; } = 1500;

    [JsonPropertyName("ipv4NativeRoutingCIDR")]
    public string? Ipv4NativeRoutingCidr { get; init; }

    [JsonPropertyName("ipv6NativeRoutingCIDR")]
    public string? Ipv6NativeRoutingCidr { get; init; }

    /// <summary>Route to each node's pod CIDRs directly by its address; without it only <c>routes</c> count.</summary>
    public bool AutoDirectNodeRoutes { get; init; } = true;
}

/// <summary>Whose traffic leaves under the node's address.</summary>
public sealed record MasqueradeSection
{
    public bool Enabled { get; init; } = true;

    /// <summary>Destinations that see the pod's own address (ip-masq-agent).</summary>
    [JsonPropertyName("nonMasqueradeCIDRs")]
    public IReadOnlyList<string> NonMasqueradeCidrs { get; init; } = [];

    /// <summary>False exempts 169.254.0.0/16 too.</summary>
    public bool MasqLinkLocal { get; init; }

    /// <summary>False exempts fe80::/10 too.</summary>
    [JsonPropertyName("masqLinkLocalIPv6")]
    public bool MasqLinkLocalIpv6 { get; init; }
}

/// <summary>Sizes of the flow tables, fixed at start: all memory is taken then.</summary>
public sealed record TablesSection
{
    /// <summary>Conntrack entries; a service flow takes two, any other flow one.</summary>
    public int ConntrackEntries { get; init; } = 2 * 1024 * 1024;

    public int SnatEntries { get; init; } = 512 * 1024;

    /// <summary>Ports the node's services may listen on, first and last: 30000-32767. SNAT uses those above.</summary>
    public string NodePortRange { get; init; } = "30000-32767";
}
