namespace ClusterMesh.Datapath.Observe.Names;

/// <summary>What the mesh knows of an address or prefix: the ipcache's row in words. Empty text where there is none.</summary>
public sealed record EndpointName
{
    public uint Identity { get; init; }

    public string Cluster { get; init; } = "";

    public string Namespace { get; init; } = "";

    public string Pod { get; init; } = "";

    /// <summary>source:key=value. Those of the identity win where <see cref="NameTable"/> knows it.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    public IReadOnlyList<WorkloadName> Workloads { get; init; } = [];

    /// <summary>DNS names of the address.</summary>
    public IReadOnlyList<string> HostNames { get; init; } = [];
}
