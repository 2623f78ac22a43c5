namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>Which kinds of a remote cluster's state have been read once as a whole.</summary>
/// <param name="ServiceExports">Null: there are none.</param>
public sealed record RemoteClusterSync(bool Nodes, bool Endpoints, bool Identities, bool Services, bool? ServiceExports);
