namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>The agent in a page.</summary>
public sealed record AgentStatus(
    string Version, string Node, string Cluster, int ClusterId, int MaxConnectedClusters, string Store, bool StoreConnected, bool IsLeader, bool Kvstoremesh,
    string Forwarder, bool ForwarderConnected, long PushedVersion, int GlobalServices, IReadOnlyList<RemoteClusterRow> Clusters, IReadOnlyList<string> Warnings);
