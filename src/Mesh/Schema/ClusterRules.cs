using System.Globalization;
using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>What a cluster may be called and numbered (Cilium's pkg/clustermesh/types).</summary>
public static partial class ClusterRules
{
    public const int NameLengthLimit = 32;

    /// <summary>The name of a cluster that belongs to no mesh; it has id 0.</summary>
    public const string DefaultName = "default";

    /// <summary>Clusters in a mesh unless told otherwise.</summary>
    public const int DefaultMaxConnected = 255;

    /// <summary>The other size: twice the clusters, half the identities of each.</summary>
    public const int LargeMaxConnected = 511;

    /// <summary>One sentence, or null when the name is a cluster's.</summary>
    public static string? CheckName(string name) => name switch
    {
        "" => "the cluster name is empty; give one",
        _ when name.Length > NameLengthLimit => $"cluster name {Shown.Quote(name)} has {name.Length} characters; at most {NameLengthLimit} are allowed",
        _ when !Name().IsMatch(name) => $"cluster name {Shown.Quote(name)} is not made of lower-case letters, digits and inner hyphens",
        _ => null,
    };

    /// <summary>One sentence, or null when the mesh can have this size.</summary>
    public static string? CheckMaxConnected(int maxConnected) => maxConnected is DefaultMaxConnected or LargeMaxConnected
        ? null
        : $"maxConnectedClusters is {maxConnected}; it must be {DefaultMaxConnected} or {LargeMaxConnected}";

    /// <summary>One sentence, or null when a cluster of a mesh of that size can have the id.</summary>
    public static string? CheckId(long id, int maxConnected) => id >= 1 && id <= maxConnected
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"cluster id {id} is not within 1 and {maxConnected}");

    /// <summary>Name and id together: in a mesh, a cluster has a name of its own.</summary>
    public static string? CheckLocal(string name, int id, int maxConnected) =>
        CheckName(name)
        ?? CheckMaxConnected(maxConnected)
        ?? (id == 0 ? null : CheckId(id, maxConnected))
        ?? (id != 0 && name == DefaultName ? $"cluster name '{DefaultName}' is for a cluster without a mesh; give a name of its own together with id {id}" : null);

    [GeneratedRegex(@"^([a-z0-9][-a-z0-9]*)?[a-z0-9]\z")]
    private static partial Regex Name();
}
