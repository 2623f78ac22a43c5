using System.Text.Json;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>Objects of a cluster as kubectl shows them, without the ages that nobody keeps. Objects are JSON as the agent stores them.</summary>
internal static class ObjectText
{
    private const string None = "<none>";

    /// <param name="kind">The plural.</param>
    /// <param name="pods">All pods of the cluster, to count those of deployments.</param>
    /// <param name="withKind">Names have the kind in front, since others are shown too.</param>
    /// <param name="withNamespace">The namespace has a column.</param>
    public static IEnumerable<string> Table(string kind, IReadOnlyList<JsonElement> objects, IReadOnlyList<JsonElement> pods, bool withKind, bool withNamespace)
    {
        List<string[]> lines = [[.. withNamespace ? (string[])["NAMESPACE"] : [], "NAME", .. Titles(kind)]];
        foreach (JsonElement each in objects)
        {
            string name = Text(each, "name");
            lines.Add([.. withNamespace ? (string[])[Text(each, "namespace")] : [], withKind ? $"{ObjectKinds.SingularOf(kind)}/{name}" : name, .. Values(kind, each, pods)]);
        }

        return TextTable.Align(lines);
    }

    private static string[] Titles(string kind) => kind switch
    {
        ObjectKinds.Services => ["TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"],
        ObjectKinds.Endpoints => ["ENDPOINTS"],
        ObjectKinds.EndpointSlices => ["SERVICE", "PORTS", "ENDPOINTS"],
        ObjectKinds.Pods => ["READY", "IP", "NODE"],
        ObjectKinds.Deployments => ["READY"],
        ObjectKinds.Nodes => ["INTERNAL-IP", "POD-CIDR"],
        ObjectKinds.Namespaces => ["LABELS"],
        ObjectKinds.NetworkPolicies or ObjectKinds.CiliumPolicies or ObjectKinds.ClusterwidePolicies => ["SELECTOR"],
        _ => ["DATA"],
    };

    private static string[] Values(string kind, JsonElement value, IReadOnlyList<JsonElement> pods) => kind switch
    {
        ObjectKinds.Services =>
        [
            Text(value, "type"), Listed(Texts(value, "clusterIps")), Listed(Texts(value, "externalIps").Concat(Texts(value, "loadBalancerIps"))),
            Listed(Items(value, "ports").Select(Port)),
        ],
        ObjectKinds.Endpoints => [Listed(Texts(value, "addresses"))],
        ObjectKinds.EndpointSlices =>
            [Text(value, "service"), Listed(Items(value, "ports").Select(p => Number(p, "port"))), Listed(Items(value, "endpoints").SelectMany(e => Texts(e, "addresses")))],
        ObjectKinds.Pods => [IsReady(value) ? "1/1" : "0/1", Listed(Texts(value, "ips")), Text(value, "nodeName") is { Length: > 0 } node ? node : None],
        ObjectKinds.Deployments => [$"{pods.Count(p => IsReady(p) && IsOf(p, value))}/{Number(value, "replicas")}"],
        ObjectKinds.Nodes =>
        [
            Listed(Items(value, "addresses").Where(a => Text(a, "type") == "InternalIP").Select(a => Text(a, "address"))),
            Listed(Texts(value, "podCidrs")),
        ],
        ObjectKinds.Namespaces => [value.TryGetProperty("labels", out JsonElement labels) ? Listed(labels.EnumerateObject().Select(l => $"{l.Name}={l.Value.GetString()}")) : None],
        ObjectKinds.NetworkPolicies or ObjectKinds.CiliumPolicies or ObjectKinds.ClusterwidePolicies => [Listed(Items(value, "specs").Select(s => Text(s, "subject")))],
        _ => [value.TryGetProperty("data", out JsonElement data) ? $"{data.EnumerateObject().Count()}" : "0"],
    };

    private static string Port(JsonElement port)
    {
        string node = Number(port, "nodePort");
        return $"{Number(port, "port")}{(node is "0" or "" ? "" : $":{node}")}/{Text(port, "protocol")}";
    }

    private static bool IsReady(JsonElement pod) => !pod.TryGetProperty("ready", out JsonElement ready) || ready.ValueKind == JsonValueKind.True;

    private static bool IsOf(JsonElement pod, JsonElement deployment) =>
        Text(pod, "namespace") == Text(deployment, "namespace")
        && deployment.TryGetProperty("selector", out JsonElement selector)
        && pod.TryGetProperty("labels", out JsonElement labels)
        && selector.EnumerateObject().All(s => Text(labels, s.Name) == s.Value.GetString());

    private static string Text(JsonElement value, string name) =>
        value.TryGetProperty(name, out JsonElement field) && field.ValueKind == JsonValueKind.String ? field.GetString()! : "";

    private static string Number(JsonElement value, string name) => value.TryGetProperty(name, out JsonElement field) ? field.GetRawText() : "";

    private static JsonElement[] Items(JsonElement value, string name) =>
        value.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : [];

    private static IEnumerable<string> Texts(JsonElement value, string name) => Items(value, name).Select(i => i.GetString() ?? "");

    private static string Listed(IEnumerable<string> texts) => string.Join(',', texts) is { Length: > 0 } text ? text : None;
}
