using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>One remote cluster as people see it.</summary>
/// <param name="IsReady">Connected, its configuration taken, and all kinds listed once.</param>
/// <param name="Config">Null until it is retrieved.</param>
/// <param name="EtcdClusterId">0 before the first answer.</param>
/// <param name="DataAge">How long ago it last told anything, a heartbeat included; null when never.</param>
/// <param name="Problem">What is wrong, in one sentence with what to do; null when nothing is.</param>
/// <param name="LastRefusal">The last record that was ignored, with its mistake; null when none was.</param>
/// <param name="ClockSkew">How far its clock is ahead of ours; null when unknown.</param>
public sealed record RemoteStatus(
    string Name, bool IsReady, bool IsConnected, ClusterConfig? Config, ulong EtcdClusterId,
    int NodeCount, int EndpointCount, int IdentityCount, int ServiceCount, int RefusedCount,
    bool NodesSynced, bool EndpointsSynced, bool IdentitiesSynced, bool ServicesSynced,
    int FailureCount, DateTimeOffset? LastFailure, TimeSpan? DataAge, string? Problem, string? LastRefusal = null, TimeSpan? ClockSkew = null);
