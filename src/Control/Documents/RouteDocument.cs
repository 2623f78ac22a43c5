namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>A route of the person's own; the prefix is its name.</summary>
public sealed record RouteDocument
{
    public string Prefix { get; set; } = "";

    /// <summary>Next hop on the node network.</summary>
    public string Via { get; set; } = "";
}
