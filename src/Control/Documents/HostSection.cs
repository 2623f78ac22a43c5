namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>The node's own network stack.</summary>
public sealed record HostSection
{
    /// <summary>Name under /run/netns, or a path.</summary>
    public string Namespace { get; set; } = "";

    public string Interface { get; set; } = "eth0";

    public string? Mac { get; set; }

    /// <summary>Mirror the routes to other nodes' pods into the host's kernel table, so that <c>ip route</c> there shows them.</summary>
    public bool InstallRoutes { get; set; } = true;

    /// <summary>
    /// on, off, or those that the link has, of checksum, tso4, tso6, ecn, uso4 and uso6, with commas between: what it lacks is done in software.
    /// </summary>
    public string Offloads { get; set; } = "on";
}
