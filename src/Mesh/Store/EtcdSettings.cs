namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>How to reach an etcd: what an etcd client file says.</summary>
/// <param name="Endpoints">https://east.mesh.cilium.io:32379; several are members of one etcd.</param>
/// <param name="TrustedCaFile">PEM; the certificates that may have signed the server's. Needed for https.</param>
/// <param name="CertFile">PEM; who we are. Read anew at each connection, as is the key, so that rotation needs no restart.</param>
public sealed record EtcdSettings(IReadOnlyList<Uri> Endpoints, string? TrustedCaFile = null, string? CertFile = null, string? KeyFile = null)
{
    /// <summary>Names that no DNS knows, with their addresses (Kubernetes' hostAliases).</summary>
    public IReadOnlyDictionary<string, System.Net.IPAddress> HostAliases { get; init; } = new Dictionary<string, System.Net.IPAddress>();

    /// <summary>How packets take their way in the cluster behind it (native, vxlan), as far as whoever wrote the file knew; null otherwise.</summary>
    public string? RoutingMode { get; init; }

    /// <summary>A request that takes longer has failed.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
}
