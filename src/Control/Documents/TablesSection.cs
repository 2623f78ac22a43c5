namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Sizes of the flow tables, fixed at start: all memory is taken then.</summary>
public sealed record TablesSection
{
    /// <summary>Conntrack entries; a service flow takes two, any other flow one.</summary>
    public int ConntrackEntries { get; set; } = 2_000_000;

    public int SnatEntries { get; set; } = 512 * 1024;

    /// <summary>Clients of services with session affinity that are kept in mind; the most silent gives way.</summary>
    public int AffinityEntries { get; set; } = 65_536;

    /// <summary>Ports the node's services may listen on, first and last: 30000-32767. SNAT uses those above.</summary>
    public string NodePortRange { get; set; } = "30000-32767";
}
