using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Agent;

/// <summary>Selectors of manifests (matchLabels, matchExpressions) -> the text by which policies know labels, each with its source.</summary>
internal static class PolicySelectors
{
    public const string Namespace = "k8s:" + IdentityLabels.NamespaceLabel;
    private const string NamespaceName = "kubernetes.io/metadata.name";
    private const string NamespaceLabels = "k8s:" + IdentityLabels.NamespaceLabelPrefix;

    /// <summary>Cilium's sources of labels that policies may name.</summary>
    private static readonly string[] s_sources = ["k8s:", "any:", "reserved:", "container:", "unspec:"];

    /// <param name="keyOf">The key with its source.</param>
    /// <param name="more">Requirements that hold beside.</param>
    public static string Read(YamlField selector, Func<string, string> keyOf, params string[] more)
    {
        selector.Only("matchLabels", "matchExpressions");
        List<string> requirements = [.. (selector["matchLabels"]?.TextMap() ?? new Dictionary<string, string>()).Select(l => $"{keyOf(l.Key)}={l.Value}")];
        foreach (YamlField expression in selector["matchExpressions"]?.Items() ?? [])
        {
            expression.Only("key", "operator", "values");
            string key = keyOf(expression.Need("key").Text());
            IReadOnlyList<string> values = expression["values"]?.Texts() ?? [];
            string @operator = expression.Need("operator").OneOf("In", "NotIn", "Exists", "DoesNotExist");
            if (@operator is "In" or "NotIn" == (values.Count == 0))
            {
                throw expression.Refuse(values.Count == 0 ? $"{@operator} needs values" : $"{@operator} takes no values");
            }

            requirements.Add(@operator switch
            {
                "In" => $"{key} in ({string.Join(',', values)})",
                "NotIn" => $"{key} notin ({string.Join(',', values)})",
                "Exists" => key,
                _ => $"!{key}",
            });
        }

        string text = string.Join(',', requirements.Concat(more));
        return text.Length == 0 || LabelSelector.TryParse(text, out _) ? text : throw selector.Refuse("a key or value is none that a label can have");
    }

    /// <summary>A label of a pod, of Kubernetes.</summary>
    public static string PodKey(string key) => $"k8s:{key}";

    /// <summary>A label of a pod's namespace. The namespace's name is what each pod's identity has as its namespace.</summary>
    public static string NamespaceKey(string key) => key == NamespaceName ? Namespace : NamespaceLabels + key;

    /// <summary>As Cilium's policies write it: with a source, or of any.</summary>
    public static string CiliumKey(string key) => Array.Exists(s_sources, s => key.StartsWith(s, StringComparison.Ordinal)) ? key : $"any:{key}";

    /// <summary>Whether the selector says in which namespace it means pods, or means none.</summary>
    public static bool NamesNamespace(string selector) =>
        selector.Contains(":" + IdentityLabels.NamespaceLabel, StringComparison.Ordinal) || selector.Contains(":" + IdentityLabels.NamespaceLabelPrefix, StringComparison.Ordinal)
        || selector.Contains("reserved:", StringComparison.Ordinal);

    public static string And(string selector, string requirement) => selector.Length == 0 ? requirement : $"{selector},{requirement}";
}
