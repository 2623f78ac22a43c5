using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Publishing;

/// <summary>Where a publisher writes: the keys below these prefixes are its own, and others' there are deleted.</summary>
/// <param name="Config">Bytes of the cluster configuration, which is written last.</param>
public sealed record PublishedPlace(
    IReadOnlyList<string> Prefixes, string CanaryPrefix, IReadOnlyList<string> Canaries, string ConfigKey, byte[] Config, bool HasHeartbeat)
{
    /// <summary>All kinds have a canary, also those that have no record.</summary>
    private static readonly MeshRecordKind[] s_kinds = Enum.GetValues<MeshRecordKind>();

    /// <summary>The cluster's own records.</summary>
    public static PublishedPlace OfCluster(string cluster, ClusterConfig config) => Of(cluster, config, cached: false);

    /// <summary>Copies of another cluster's records, for the nodes of this one.</summary>
    public static PublishedPlace OfCopy(string cluster, ClusterConfig config) => Of(cluster, config with { SyncedCanaries = true, Cached = true }, cached: true);

    private static PublishedPlace Of(string cluster, ClusterConfig config, bool cached) => new(
        [.. s_kinds.Select(kind => MeshKeys.Prefix(cluster, kind, cached))],
        MeshKeys.Synced(cluster),
        [.. s_kinds.Select(kind => MeshKeys.Canary(cluster, kind, cached))],
        MeshKeys.ClusterConfig(cluster), config.Write(), HasHeartbeat: !cached);
}
