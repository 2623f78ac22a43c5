namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>The agent in a page.</summary>
public sealed record AgentStatus(
    string Version, string Node, string Cluster, int ClusterId, int MaxConnectedClusters, string Store, bool StoreConnected, bool IsLeader, bool Kvstoremesh,
    string Forwarder, bool ForwarderConnected, long PushedVersion, int GlobalServices, IReadOnlyList<RemoteClusterRow> Clusters, IReadOnlyList<string> Warnings)
{
    /// <summary>The etcd that other clusters read, as the agent that leads sees it; null when that is the store.</summary>
    public string? MeshStore { get; init; }

    public bool MeshStoreConnected { get; init; }
}
