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

    private static readonly Dictionary<string, string> s_plurals = new()
    {
        ["svc"] = Services, ["service"] = Services, [Services] = Services,
        ["ep"] = Endpoints, [Endpoints] = Endpoints,
        ["endpointslice"] = EndpointSlices, [EndpointSlices] = EndpointSlices,
        ["po"] = Pods, ["pod"] = Pods, [Pods] = Pods,
        ["deploy"] = Deployments, ["deployment"] = Deployments, [Deployments] = Deployments,
        ["no"] = Nodes, ["node"] = Nodes, [Nodes] = Nodes,
        ["cm"] = ConfigMaps, ["configmap"] = ConfigMaps, [ConfigMaps] = ConfigMaps,
    };

    public static IReadOnlyCollection<string> Words => s_plurals.Keys;

    /// <summary>The agent's name for it.</summary>
    public static string PluralOf(string word) => s_plurals.TryGetValue(word, out string? plural)
        ? plural
        : throw new UsageException($"there is no kind '{word}'; there are {string.Join(", ", s_plurals.Values.Distinct())}");

    /// <summary>As in front of a name: service/webpod.</summary>
    public static string SingularOf(string plural) => plural == Endpoints ? plural : plural[..^1];

    public static bool HasNamespace(string plural) => plural != Nodes;
}
