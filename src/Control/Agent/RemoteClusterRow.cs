namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>One remote cluster; ages and times are seconds and UTC.</summary>
/// <param name="LastRefusal">The last record that was ignored, and why.</param>
/// <param name="ClockSkewSeconds">How far its clock is ahead of ours.</param>
public sealed record RemoteClusterRow(
    string Name, bool Ready, bool Connected, int Nodes, int Endpoints, int Identities, int Services, int RefusedRecords,
    bool ConfigRetrieved, long ClusterId, bool Kvstoremesh, bool SyncCanaries, string ServiceExports, string EtcdClusterId,
    bool NodesSynced, bool EndpointsSynced, bool IdentitiesSynced, bool ServicesSynced,
    int Failures, DateTimeOffset? LastFailure, double? DataAgeSeconds, string? Problem, string? LastRefusal = null,
    double? ClockSkewSeconds = null);
