using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>
/// All identities with their labels, so that a selector finds those it means without asking all. A label is known by its source and key (k8s:app),
/// and by its key whatever the source (any:app).
/// </summary>
internal sealed class IdentityIndex
{
    private const string AnySource = "any:";

    private readonly Dictionary<uint, Dictionary<string, string>> _labels = [];
    private readonly Dictionary<(string Key, string Value), HashSet<uint>> _byLabel = [];

    public IEnumerable<uint> All => _labels.Keys;

    /// <summary>The labels of an identity; null when it is not known.</summary>
    public IReadOnlyDictionary<string, string>? LabelsOf(uint identity) => _labels.GetValueOrDefault(identity);

    /// <param name="labels">k8s:app=webpod.</param>
    public void Set(uint identity, IEnumerable<string> labels)
    {
        Remove(identity);
        Dictionary<string, string> parsed = Parse(labels);
        _labels.Add(identity, parsed);
        foreach ((string key, string value) in parsed)
        {
            if (!_byLabel.TryGetValue((key, value), out HashSet<uint>? bearers))
            {
                _byLabel.Add((key, value), bearers = []);
            }

            bearers.Add(identity);
        }
    }

    public void Remove(uint identity)
    {
        if (_labels.Remove(identity, out Dictionary<string, string>? labels))
        {
            foreach ((string key, string value) in labels)
            {
                HashSet<uint> bearers = _byLabel[(key, value)];
                bearers.Remove(identity);
                if (bearers.Count == 0)
                {
                    _byLabel.Remove((key, value));
                }
            }
        }
    }

    public IEnumerable<uint> Matching(LabelSelector selector)
    {
        IEnumerable<uint> candidates = selector.Equality is { } equality ? _byLabel.GetValueOrDefault(equality) ?? [] : _labels.Keys;
        return candidates.Where(id => selector.Matches(_labels[id]));
    }

    internal static Dictionary<string, string> Parse(IEnumerable<string> labels)
    {
        Dictionary<string, string> parsed = [];
        foreach (string label in labels)
        {
            int equals = label.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? label : label[..equals];
            string value = equals < 0 ? "" : label[(equals + 1)..];
            parsed[key] = value;
            int colon = key.IndexOf(':', StringComparison.Ordinal);
            parsed.TryAdd(AnySource + key[(colon + 1)..], value);
        }

        return parsed;
    }
}
