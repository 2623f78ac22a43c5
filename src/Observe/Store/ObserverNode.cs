namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>The node whose flows a store has.</summary>
/// <param name="Cluster">Of the mesh.</param>
/// <param name="Name">Without the cluster.</param>
/// <param name="Version">Of this software.</param>
public sealed record ObserverNode(string Cluster, string Name, string Version)
{
    /// <summary>cluster/node, as Hubble names nodes.</summary>
    public string FullName { get; } = $"{Cluster}/{Name}";

    /// <summary>Where its observer listens, as clients are told: host:port or unix:///path.</summary>
    public string Address { get; init; } = "";

    /// <summary>key=value.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];
}
