namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>What the remote cluster says of itself.</summary>
/// <param name="IsRequired">Printed as expected.</param>
/// <param name="ServiceExports">Null: it does not support them.</param>
public sealed record RemoteClusterConfiguration(bool IsRequired, bool IsRetrieved, int ClusterId, bool HasKvstoreMesh, bool HasSyncCanaries, bool? ServiceExports);
