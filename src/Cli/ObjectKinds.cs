namespace ClusterMesh.Datapath.Cli;

/// <summary>What a cluster has objects of, by every word that Kubernetes' users say for it.</summary>
internal static class ObjectKinds
{
    public const string Services = "services";
    public const string Endpoints = "endpoints";
    public const string EndpointSlices = "endpointslices";
    public const string Pods = "pods";
    public const string Deployments = "deployments";
    public const string Nodes = "nodes";
    public const string ConfigMaps = "configmaps";
    public const string Namespaces = "namespaces";
    public const string NetworkPolicies = "networkpolicies";
    public const string CiliumPolicies = "ciliumnetworkpolicies";
    public const string ClusterwidePolicies = "ciliumclusterwidenetworkpolicies";

    /// <summary>Each kind with the shorter words for it.</summary>
    private static readonly (string Plural, string[] Words)[] s_kinds =
    [
        (Services, ["svc", "service"]),
        (Endpoints, ["ep"]),
        (EndpointSlices, ["endpointslice"]),
        (Pods, ["po", "pod"]),
        (Deployments, ["deploy", "deployment"]),
        (Nodes, ["no", "node"]),
        (ConfigMaps, ["cm", "configmap"]),
        (Namespaces, ["ns", "namespace"]),
        (NetworkPolicies, ["netpol", "networkpolicy"]),
        (CiliumPolicies, ["cnp", "ciliumnetworkpolicy"]),
        (ClusterwidePolicies, ["ccnp", "ciliumclusterwidenetworkpolicy"]),
    ];

    public static IEnumerable<string> Words => s_kinds.SelectMany(k => k.Words.Append(k.Plural));

    /// <summary>The agent's name for it.</summary>
    public static string PluralOf(string word) => s_kinds.FirstOrDefault(k => k.Plural == word || k.Words.Contains(word)).Plural
        ?? throw new UsageException($"there is no kind '{word}'; there are {string.Join(", ", s_kinds.Select(k => k.Plural))}");

    /// <summary>As in front of a name: service/webpod.</summary>
    public static string SingularOf(string plural) => plural == Endpoints ? plural : plural.EndsWith("ies", StringComparison.Ordinal) ? $"{plural[..^3]}y" : plural[..^1];

    public static bool HasNamespace(string plural) => plural is not (Nodes or Namespaces or ClusterwidePolicies);
}
