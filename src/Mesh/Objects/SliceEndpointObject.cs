namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>An endpoint of a slice.</summary>
public sealed record SliceEndpointObject(IReadOnlyList<string> Addresses)
{
    public bool Ready { get; set; } = true;

    public bool Serving { get; set; } = true;

    public bool Terminating { get; set; }

    public string NodeName { get; set; } = "";

    public string Hostname { get; set; } = "";

    public string Zone { get; set; } = "";

    public IReadOnlyList<string> ForZones { get; set; } = [];
}
