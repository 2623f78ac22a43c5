namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>A pod: a namespace whose interface is a TAP of this forwarder.</summary>
public sealed record EndpointDocument
{
    /// <summary>Unique: default/curl-pod.</summary>
    public string Name { get; set; } = "";

    /// <summary>Name under /run/netns, or a path.</summary>
    public string Namespace { get; set; } = "";

    public string Interface { get; set; } = "eth0";

    public string? Mac { get; set; }

    /// <summary>At most one a family, inside the node's pod CIDRs.</summary>
    public IReadOnlyList<string> Addresses { get; set; } = [];

    /// <summary>
    /// on, off, or those that the link has, of checksum, tso4, tso6, ecn, uso4 and uso6, with commas between: what it lacks is done in software.
    /// </summary>
    public string Offloads { get; set; } = "on";
}
