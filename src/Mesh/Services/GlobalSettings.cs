using System.Globalization;

namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>What a service's annotations say of other clusters (Cilium's pkg/annotation, the older aliases included).</summary>
/// <param name="IsGlobal">Backends of other clusters are used.</param>
/// <param name="IsShared">Other clusters may use ours.</param>
/// <param name="LeastLocal">With <see cref="ServiceAffinity.Local"/>: so many own backends must be active, else others' are used beside them. Not Cilium's.</param>
public readonly record struct GlobalSettings(bool IsGlobal, bool IsShared, ServiceAffinity Affinity, int LeastLocal = 1)
{
    public const string GlobalKey = "service.cilium.io/global";
    public const string SharedKey = "service.cilium.io/shared";
    public const string AffinityKey = "service.cilium.io/affinity";
    public const string LeastLocalKey = "service.cmesh.io/min-local-backends";
    private const int MostLeastLocal = 10_000;

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
            },
            annotations.TryGetValue(LeastLocalKey, out string? least) && TryReadLeast(least, out int number) ? number : 1);
    }

    /// <summary>A number within 1 and 10,000.</summary>
    public static bool TryReadLeast(string text, out int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out least) && least is >= 1 and <= MostLeastLocal;

    private static bool IsTrue(string? value) => string.Equals(value, "true", StringComparison.OrdinalIgnoreCase);

    private static string? Find(IReadOnlyDictionary<string, string> annotations, string key, string alias) =>
        annotations.TryGetValue(key, out string? value) || annotations.TryGetValue(alias, out value) ? value : null;
}
