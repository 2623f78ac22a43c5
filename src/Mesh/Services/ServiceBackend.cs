using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>A backend of a service before the clusters are merged.</summary>
/// <param name="PortName">Of the service's port; empty when it has none.</param>
/// <param name="Cluster">Empty for the own cluster.</param>
/// <param name="Node">Empty when unknown, as for all of other clusters.</param>
public sealed record ServiceBackend(IpAddress Address, string PortName, IpProtocol Protocol, ushort Port, BackendState State, string Cluster = "", string Node = "")
{
    public string Hostname { get; init; } = "";

    public string Zone { get; init; } = "";

    public IReadOnlyList<string> ForZones { get; init; } = [];

    public bool IsLocal => Cluster.Length == 0;
}
