namespace ClusterMesh.Datapath.Observe.Names;

/// <summary>Identities with names of their own (identity/numericidentity.go of Cilium).</summary>
public static class ReservedIdentity
{
    public const uint Unknown = 0;
    public const uint World = 2;

    private static readonly string[] s_names =
        ["unknown", "host", "world", "unmanaged", "health", "init", "remote-node", "kube-apiserver", "ingress", "world-ipv4", "world-ipv6", "encrypted-overlay"];

    private static readonly string[][] s_labels = [.. s_names.Select(name => new[] { $"reserved:{name}" })];

    /// <summary>Null for an identity that is not reserved.</summary>
    public static string? NameOf(uint identity) => identity < s_names.Length ? s_names[identity] : null;

    /// <summary>Empty for one that is not reserved, and for unknown.</summary>
    public static IReadOnlyList<string> LabelsOf(uint identity) => identity is > Unknown && identity < s_labels.Length ? s_labels[identity] : [];
}
