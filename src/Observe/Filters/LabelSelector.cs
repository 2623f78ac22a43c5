using System.Globalization;
using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Observe.Filters;

/// <summary>
/// A label selector in the syntax of Kubernetes: <c>app=web, tier in (front, back), !canary</c>. All parts must hold. A key may say from where the
/// label must come: <c>k8s:app</c>; without, or with <c>any:</c>, it may come from anywhere.
/// </summary>
public sealed partial class LabelSelector
{
    private readonly Func<IReadOnlyList<string>, bool>[] _parts;

    private LabelSelector(Func<IReadOnlyList<string>, bool>[] parts)
    {
        _parts = parts;
    }

    /// <exception cref="FilterException">The text is no selector.</exception>
    public static LabelSelector Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new([.. Split(text).Select(part => Requirement(part, text))]);
    }

    /// <summary>Labels are source:key=value.</summary>
    public bool Matches(IReadOnlyList<string> labels) => Matching.All(_parts, labels, static (part, all) => part(all));

    private static Func<IReadOnlyList<string>, bool> Requirement(string part, string whole)
    {
        if (Set().Match(part) is { Success: true } set)
        {
            string key = set.Groups["key"].Value;
            HashSet<string>.AlternateLookup<ReadOnlySpan<char>> values =
                set.Groups["values"].Value.Split(',').Select(v => v.Trim()).ToHashSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
            return set.Groups["operator"].Value == "in"
                ? labels => TryFind(labels, key, out ReadOnlySpan<char> value) && values.Contains(value)
                : labels => !TryFind(labels, key, out ReadOnlySpan<char> value) || !values.Contains(value);
        }

        if (Comparison().Match(part) is { Success: true } comparison)
        {
            string key = comparison.Groups["key"].Value;
            string wanted = comparison.Groups["value"].Value;
            return comparison.Groups["operator"].Value switch
            {
                "!=" => labels => !TryFind(labels, key, out ReadOnlySpan<char> value) || !value.SequenceEqual(wanted),
                "<" => Number(key, wanted, whole, (left, right) => left < right),
                ">" => Number(key, wanted, whole, (left, right) => left > right),
                _ => labels => TryFind(labels, key, out ReadOnlySpan<char> value) && value.SequenceEqual(wanted),
            };
        }

        if (Existence().Match(part) is { Success: true } existence)
        {
            string key = existence.Groups["key"].Value;
            bool wanted = existence.Groups["not"].Length == 0;
            return labels => TryFind(labels, key, out _) == wanted;
        }

        throw new FilterException($"label selector '{whole}': '{part}' is none of key, !key, key=value, key!=value, key in (a, b), key notin (a, b), key<number, key>number");
    }

    private static Func<IReadOnlyList<string>, bool> Number(string key, string wanted, string whole, Func<long, long, bool> compare)
    {
        if (!long.TryParse(wanted, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long right))
        {
            throw new FilterException($"label selector '{whole}': '{wanted}' is no number");
        }

        return labels => TryFind(labels, key, out ReadOnlySpan<char> value) && long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long left) && compare(left, right);
    }

    private static bool TryFind(IReadOnlyList<string> labels, string key, out ReadOnlySpan<char> value)
    {
        SplitSource(key, out ReadOnlySpan<char> source, out ReadOnlySpan<char> name);
        for (int i = 0; i < labels.Count; i++)
        {
            ReadOnlySpan<char> label = labels[i];
            int equals = label.IndexOf('=');
            SplitSource(equals < 0 ? label : label[..equals], out ReadOnlySpan<char> labelSource, out ReadOnlySpan<char> labelName);
            if (labelName.SequenceEqual(name) && (source is "" or "any" || source.SequenceEqual(labelSource)))
            {
                value = equals < 0 ? "" : label[(equals + 1)..];
                return true;
            }
        }

        value = "";
        return false;
    }

    private static void SplitSource(ReadOnlySpan<char> key, out ReadOnlySpan<char> source, out ReadOnlySpan<char> name)
    {
        int colon = key.IndexOf(':');
        source = colon < 0 ? "" : key[..colon];
        name = key[(colon + 1)..];
    }

    // Commas outside of brackets part the requirements.
    private static List<string> Split(string text)
    {
        List<string> parts = [];
        int depth = 0;
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && depth == 0))
            {
                parts.Add(text[start..i].Trim());
                start = i + 1;
            }
            else if (text[i] is '(' or ')')
            {
                depth += text[i] == '(' ? 1 : -1;
            }
        }

        return parts;
    }

    [GeneratedRegex(@"^(?<key>[\w.:/-]+)\s+(?<operator>in|notin)\s*\((?<values>[^()]*)\)$")]
    private static partial Regex Set();

    [GeneratedRegex(@"^(?<key>[\w.:/-]+)\s*(?<operator>==|!=|=|<|>)\s*(?<value>[\w.-]*)$")]
    private static partial Regex Comparison();

    [GeneratedRegex(@"^(?<not>!?)\s*(?<key>[\w.:/-]+)$")]
    private static partial Regex Existence();
}
