namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>How far a kind of state is synchronized with a cluster's store.</summary>
/// <param name="Scope">nodes/v1, services/v1, identities/v1, ip/v1, serviceexports/v1.</param>
/// <param name="Action">read or write.</param>
public readonly record struct StoreSync(string Scope, string SourceCluster, string Action, bool IsCompleted, ulong QueueLength, ulong ErrorCount);
