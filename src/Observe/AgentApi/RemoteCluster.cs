namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>A cluster of the mesh as this node sees it: the block of `cilium-dbg status --verbose`.</summary>
public sealed record RemoteCluster
{
    public required string Name { get; init; }

    public bool IsReady { get; init; }

    public bool IsConnected { get; init; }

    public int NodeCount { get; init; }

    public int EndpointCount { get; init; }

    public int IdentityCount { get; init; }

    public int SharedServiceCount { get; init; }

    public int ServiceExportCount { get; init; }

    /// <summary>Printed as reconnections.</summary>
    public int FailureCount { get; init; }

    public DateTimeOffset? LastFailure { get; init; }

    /// <summary>Of the connection: "etcd: 1/1 connected, leases=0, …".</summary>
    public string Status { get; init; } = "";

    public RemoteClusterConfiguration? Configuration { get; init; }

    public RemoteClusterSync? Synced { get; init; }
}
