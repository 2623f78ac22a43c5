namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>What a service's annotations say of other clusters (Cilium's pkg/annotation, the older aliases included).</summary>
/// <param name="IsGlobal">Backends of other clusters are used.</param>
/// <param name="IsShared">Other clusters may use ours.</param>
public readonly record struct GlobalSettings(bool IsGlobal, bool IsShared, ServiceAffinity Affinity)
{
    public const string GlobalKey = "service.cilium.io/global";
    public const string SharedKey = "service.cilium.io/shared";
    public const string AffinityKey = "service.cilium.io/affinity";

    public static GlobalSettings Of(IReadOnlyDictionary<string, string> annotations)
    {
        string? global = Find(annotations, GlobalKey, "io.cilium/global-service");
        string? shared = Find(annotations, SharedKey, "io.cilium/shared-service");
        string? affinity = Find(annotations, AffinityKey, "io.cilium/service-affinity");
        bool isGlobal = IsTrue(global);
        return new GlobalSettings(
            isGlobal,
            isGlobal && (shared is null || IsTrue(shared)),
            !isGlobal ? ServiceAffinity.None : affinity?.ToLowerInvariant() switch
            {
                "local" => ServiceAffinity.Local,
                "remote" => ServiceAffinity.Remote,
                _ => ServiceAffinity.None,
            });
    }

    private static bool IsTrue(string? value) => string.Equals(value, "true", StringComparison.OrdinalIgnoreCase);

    private static string? Find(IReadOnlyDictionary<string, string> annotations, string key, string alias) =>
        annotations.TryGetValue(key, out string? value) || annotations.TryGetValue(alias, out value) ? value : null;
}
