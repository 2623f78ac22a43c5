namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>Where a cluster keeps its own objects in its store; other clusters never read here.</summary>
public static class ObjectKeys
{
    public const string Prefix = "cmesh/objects/v1/";

    /// <param name="key">namespace/name, or the name of what is in no namespace.</param>
    public static string Of(ObjectKind kind, string key) => $"{Prefix}{NameOf(kind)}/{key}";

    /// <param name="relative">The key behind <see cref="Prefix"/>.</param>
    public static bool TryParse(string relative, out ObjectKind kind, out string key)
    {
        int slash = relative.IndexOf('/', StringComparison.Ordinal);
        key = relative[(slash + 1)..];
        foreach (ObjectKind each in Enum.GetValues<ObjectKind>())
        {
            if (slash > 0 && relative.AsSpan(0, slash).SequenceEqual(NameOf(each)))
            {
                kind = each;
                return true;
            }
        }

        kind = default;
        return false;
    }

    /// <summary>Kubernetes' plural: services, networkpolicies.</summary>
    public static string NameOf(ObjectKind kind)
    {
        string name = kind.ToString().ToLowerInvariant();
        return name.EndsWith('y') ? $"{name[..^1]}ies" : $"{name}s";
    }
}
