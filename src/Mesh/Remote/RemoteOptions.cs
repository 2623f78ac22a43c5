namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>How this cluster treats the others.</summary>
public sealed record RemoteOptions(string LocalName, int LocalId)
{
    /// <summary>255 or 511, the same in all clusters of the mesh.</summary>
    public int MaxConnectedClusters { get; init; } = Schema.ClusterRules.DefaultMaxConnected;

    /// <summary>After that long without a connection the cluster's services are forgotten; zero keeps them for ever (clustermesh-cache-ttl).</summary>
    public TimeSpan CacheTtl { get; init; }

    /// <summary>A cluster that has not rewritten its heartbeat for that long is not well.</summary>
    public TimeSpan HeartbeatTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long its configuration is waited for before the connection counts as failed.</summary>
    public TimeSpan ConfigTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Kvstoremesh: all clusters are read from this etcd, which holds copies of them. Null reads each cluster's own.</summary>
    public Store.EtcdSettings? ReadCopiesFrom { get; init; }

    /// <summary>Kvstoremesh: the clusters are not used but copied into this store. Null uses them.</summary>
    public Store.IClusterStore? CopyTo { get; init; }

    public IReadOnlyDictionary<string, System.Net.IPAddress> HostAliases { get; init; } = new Dictionary<string, System.Net.IPAddress>();
}
