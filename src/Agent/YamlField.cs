using System.Globalization;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent;

/// <summary>A field of a YAML text while it is read: what it holds, and the sentence with file, line and path for what it must not.</summary>
internal sealed class YamlField(string file, YamlNode node, string path, int line)
{
    public string Path => path;

    /// <summary>web.yaml:12: spec.ingress[0].</summary>
    public string Where => string.Create(CultureInfo.InvariantCulture, $"{file}:{line}: {path}");

    /// <summary>The field of a mapping; null when it is absent or empty.</summary>
    public YamlField? this[string name]
    {
        get
        {
            KeyValuePair<YamlScalar, YamlNode>[] found = [.. Mapping().Fields.Where(f => f.Key.Value == name)];
            if (found.Length > 1)
            {
                throw new YamlField(file, found[1].Value, Below(name), found[1].Key.Line).Refuse("the field is given twice");
            }

            return found.Length == 0 || found[0].Value.Resolved is YamlScalar { IsNull: true } ? null : new YamlField(file, found[0].Value, Below(name), found[0].Key.Line);
        }
    }

    public YamlField Need(string name) => this[name] ?? throw Refuse($"'{name}' is missing");

    /// <summary>Refuses any other field; what was probably meant is said.</summary>
    public YamlField Only(params string[] names)
    {
        foreach ((YamlScalar key, YamlNode value) in Mapping().Fields)
        {
            if (!names.Contains(key.Value))
            {
                string? near = NearestName.Of(key.Value, names);
                throw new YamlField(file, value, Below(key.Value), key.Line).Refuse($"unknown field{(near is null ? "" : $"; did you mean '{near}'?")}");
            }
        }

        return this;
    }

    public string Text() => node.Resolved is YamlScalar scalar ? scalar.Value : throw Refuse("text is expected here");

    public int Number(int least, int most) =>
        int.TryParse(Text(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
            ? number
            : throw Refuse($"'{Text()}' is no number within {least} and {most}");

    public bool Flag() => Text() switch
    {
        "true" => true,
        "false" => false,
        _ => throw Refuse($"'{Text()}' is neither true nor false"),
    };

    public string OneOf(params string[] values) => values.Contains(Text()) ? Text() : throw Refuse($"'{Text()}' is not one of {string.Join(", ", values)}");

    public IEnumerable<YamlField> Items() => node.Resolved is YamlSequence list
        ? list.Items.Select((item, index) => new YamlField(file, item, $"{path}[{index}]", item.Line))
        : throw Refuse("a list is expected here");

    public IReadOnlyList<string> Texts() => [.. Items().Select(i => i.Text())];

    public IReadOnlyDictionary<string, string> TextMap()
    {
        Dictionary<string, string> map = [];
        foreach ((YamlScalar key, YamlNode value) in Mapping().Fields)
        {
            YamlField field = new(file, value, Below(key.Value), key.Line);
            if (!map.TryAdd(key.Value, field.Text()))
            {
                throw field.Refuse("the field is given twice");
            }
        }

        return map;
    }

    /// <summary>Text that a check finds right; the check gives what is wrong otherwise.</summary>
    public string Checked(Func<string, string?> check) => check(Text()) is string wrong ? throw Refuse(wrong) : Text();

    public ConfigurationException Refuse(string problem) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{file}:{line}: {(path.Length == 0 ? "" : ValueText.Sentence(path) + ": ")}{ValueText.Sentence(problem)}"));

    private YamlMapping Mapping() => node.Resolved as YamlMapping ?? throw Refuse("a mapping of fields is expected here");

    private string Below(string name) => path.Length == 0 ? name : $"{path}.{name}";
}
