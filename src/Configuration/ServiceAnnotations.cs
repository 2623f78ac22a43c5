using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// The annotations of a service that mean something to the datapath, under Cilium's names (pkg/annotation). Where Cilium warns of a value and goes
/// on, a file is refused: its writer is there to mend it.
/// </summary>
internal static class ServiceAnnotations
{
    private const string Prefix = "service.cilium.io/";
    private const string NodeLabel = Prefix + "node";
    /// <summary>Not Cilium's: its affinity is all or nothing.</summary>
    private const string LeastLocal = "service.cmesh.io/min-local-backends";
    private const int MostLeastLocal = 10_000;
    private const string TopologyMode = "service.kubernetes.io/topology-mode";

    /// <summary>Older names of the first three.</summary>
    private static readonly Dictionary<string, string> s_aliases = new()
    {
        ["global"] = "io.cilium/global-service",
        ["shared"] = "io.cilium/shared-service",
        ["affinity"] = "io.cilium/service-affinity",
    };

    /// <summary>All that Cilium knows; those that this class does not read are for who makes the document.</summary>
    private static readonly string[] s_known =
        ["global", "shared", "affinity", "global-sync-endpoint-slices", "lb-algorithm", "forwarding-mode", "type", "src-ranges-policy", "node", "node-selector", "proxy-delegation"];

    /// <summary>The spec with what its annotations say.</summary>
    public static ServiceSpec Apply(ServiceSpec spec, IReadOnlyDictionary<string, string>? annotations, Place place)
    {
        if (annotations is null || annotations.Count == 0)
        {
            return spec;
        }

        foreach ((string name, string value) in annotations)
        {
            if (value is null)
            {
                throw place.Field(name).Refuse("is null; give it a text or remove it");
            }

            if (name.StartsWith(Prefix, StringComparison.Ordinal) && !s_known.Contains(name[Prefix.Length..]))
            {
                string advice = NearestName.Of(name[Prefix.Length..], s_known) is { } nearest ? $"did you mean '{Prefix}{nearest}'?" : $"known are {string.Join(", ", s_known)}";
                throw place.Refuse($"unknown annotation {ValueText.Quote(name)}; {advice}");
            }
        }

        bool isGlobal = string.Equals(Value(annotations, "global"), "true", StringComparison.OrdinalIgnoreCase);
        return spec with
        {
            Annotations = [.. annotations.OrderBy(a => a.Key, StringComparer.Ordinal)],
            IsGlobal = isGlobal,
            Affinity = isGlobal ? Affinity(Value(annotations, "affinity"), place) : ClusterAffinity.None,
            LeastLocalBackends = annotations.TryGetValue(LeastLocal, out string? least) ? Least(least, place.Field(LeastLocal)) : 1,
            Algorithm = Value(annotations, "lb-algorithm") is { } algorithm ? LoadBalancerTranslator.Algorithm(algorithm, place.Field(Prefix + "lb-algorithm")) : null,
            Forwarding = Forwarding(Value(annotations, "forwarding-mode"), place.Field(Prefix + "forwarding-mode")),
            OnlyType = OnlyType(Value(annotations, "type"), place.Field(Prefix + "type")),
            DeniesSourceRanges = Denies(Value(annotations, "src-ranges-policy"), place.Field(Prefix + "src-ranges-policy")),
            Nodes = Nodes(annotations, place),
            UsesTopology = spec.UsesTopology || UseTopology(spec.Annotations) || UseTopology(annotations),
        };
    }

    /// <summary>topology-mode: Auto.</summary>
    public static bool UseTopology(IEnumerable<KeyValuePair<string, string>> annotations) =>
        annotations.Any(a => a.Key == TopologyMode && string.Equals(a.Value, "auto", StringComparison.OrdinalIgnoreCase));

    private static string? Value(IReadOnlyDictionary<string, string> annotations, string name) =>
        annotations.TryGetValue(Prefix + name, out string? value) || (s_aliases.TryGetValue(name, out string? alias) && annotations.TryGetValue(alias, out value)) ? value : null;

    private static ClusterAffinity Affinity(string? text, Place place) => text?.ToLowerInvariant() switch
    {
        null or "" or "none" => ClusterAffinity.None,
        "local" => ClusterAffinity.Local,
        "remote" => ClusterAffinity.Remote,
        _ => throw place.Field(Prefix + "affinity").Refuse($"{ValueText.Quote(text)} is no affinity; use none, local or remote"),
    };

    private static int Least(string text, Place place) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int least) && least is >= 1 and <= MostLeastLocal
        ? least
        : throw place.Refuse($"{ValueText.Quote(text)} is no number of backends within 1 and {MostLeastLocal}");

    private static ForwardingMode? Forwarding(string? text, Place place) => text switch
    {
        null => null,
        "snat" => ForwardingMode.Snat,
        "dsr" => ForwardingMode.Dsr,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no forwarding mode; use dsr or snat"),
    };

    private static ServiceType? OnlyType(string? text, Place place) => text switch
    {
        null => null,
        "ClusterIP" => ServiceType.ClusterIP,
        "NodePort" => ServiceType.NodePort,
        "LoadBalancer" => ServiceType.LoadBalancer,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no type that can stand alone; use exactly one of ClusterIP, NodePort and LoadBalancer"),
    };

    private static bool Denies(string? text, Place place) => text switch
    {
        null or "allow" => false,
        "deny" => true,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no policy; use allow or deny"),
    };

    /// <summary>The selector wins over the value.</summary>
    private static LabelSelector? Nodes(IReadOnlyDictionary<string, string> annotations, Place place)
    {
        if (Value(annotations, "node-selector") is { } text)
        {
            return LabelSelector.TryParse(text, out LabelSelector? selector)
                ? selector
                : throw place.Field(Prefix + "node-selector").Refuse($"{ValueText.Quote(text)} is no label selector; write one such as 'service.cilium.io/node in (a,b)'");
        }

        return Value(annotations, "node") is { } value ? LabelSelector.Exactly(NodeLabel, value) : null;
    }
}
