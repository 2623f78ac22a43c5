using System.Text;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>
/// The labels that make an identity, in the form by which clusters exchange them: <c>source:key=value;</c> for each, sorted, also behind
/// the last. Equal labels are equal text, so the text is what is kept and compared.
/// </summary>
public sealed record IdentityLabels
{
    public const string ClusterLabel = "io.cilium.k8s.policy.cluster";
    public const string ServiceAccountLabel = "io.cilium.k8s.policy.serviceaccount";
    public const string NamespaceLabel = "io.kubernetes.pod.namespace";
    public const string NamespaceLabelPrefix = "io.cilium.k8s.namespace.labels.";
    private const string Kubernetes = "k8s:";

    /// <summary>More than Kubernetes lets a pod have, keys and values together.</summary>
    private const int LengthLimit = 256 * 1024;

    private IdentityLabels(string text) => Text = text;

    /// <summary>The sorted form.</summary>
    public string Text { get; }

    /// <summary>The labels without their source's colon cut off: k8s:app=webpod.</summary>
    public IEnumerable<string> Labels => Text.Split(';', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Labels of Kubernetes, by key.</summary>
    public static IdentityLabels OfKubernetes(IEnumerable<KeyValuePair<string, string>> labels)
    {
        StringBuilder text = new();
        foreach (string label in labels.Select(l => $"{Kubernetes}{l.Key}={l.Value};").Order(Utf8Order.Instance))
        {
            text.Append(label);
        }

        return new IdentityLabels(text.ToString());
    }

    /// <param name="mistake">One sentence, when false is returned.</param>
    public static bool TryRead(ReadOnlySpan<byte> value, out IdentityLabels? labels, out string mistake)
    {
        labels = null;
        mistake = "";
        if (value.Length > LengthLimit)
        {
            mistake = $"the labels have {value.Length} bytes, more than {LengthLimit}";
            return false;
        }

        if (!System.Text.Unicode.Utf8.IsValid(value))
        {
            mistake = "the labels are not UTF-8";
            return false;
        }

        labels = new IdentityLabels(Encoding.UTF8.GetString(value));
        return true;
    }

    /// <summary>One sentence, or null when the record is what its key and its cluster promise.</summary>
    /// <param name="key">The key behind the prefix: the number.</param>
    public string? Check(string key, string cluster, IdentityRange range) =>
        !uint.TryParse(key, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out uint identity)
            ? $"the key {Shown.Quote(key)} is no identity"
        : !range.Contains(identity) ? $"identity {identity} is not within the cluster's {range}"
        : Find(ClusterLabel) is not string named ? $"label {Kubernetes}{ClusterLabel} is missing; {Shown.Quote(cluster)} was expected"
        : named != cluster ? $"label {Kubernetes}{ClusterLabel} is {Shown.Quote(named)}, {Shown.Quote(cluster)} was expected"
        : null;

    /// <summary>The value of a label of Kubernetes; null when there is none.</summary>
    public string? Find(string key)
    {
        string wanted = $"{Kubernetes}{key}=";
        return Labels.FirstOrDefault(l => l.StartsWith(wanted, StringComparison.Ordinal))?[wanted.Length..];
    }

    public byte[] Write() => Encoding.UTF8.GetBytes(Text);

    public override string ToString() => Text;
}
