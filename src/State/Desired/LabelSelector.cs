namespace ClusterMesh.Datapath.State.Desired;

/// <summary>
/// A condition on labels, as Kubernetes writes it: requirements with commas between, all of which must hold. a=b, a==b, a!=b, a in (b,c), a notin (b,c),
/// a, !a, a&gt;1, a&lt;1.
/// </summary>
public sealed class LabelSelector
{
    private readonly Requirement[] _requirements;

    private LabelSelector(Requirement[] requirements, string text)
    {
        _requirements = requirements;
        Text = text;
    }

    private enum Operation
    {
        In,
        NotIn,
        Exists,
        DoesNotExist,
        GreaterThan,
        LessThan,
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>No condition.</summary>
    public static LabelSelector Everything { get; } = new([], "");

    /// <summary>A label and the value that it must have, if there is one such requirement: by it the few that can match are found.</summary>
    public (string Key, string Value)? Equality =>
        Array.Find(_requirements, r => r is { Operation: Operation.In, Values.Length: 1 }) is { } equality ? (equality.Key, equality.Values[0]) : null;

    /// <summary>One label that must have one value.</summary>
    public static LabelSelector Exactly(string key, string value) => new([new Requirement(key, Operation.In, [value])], $"{key}={value}");

    /// <summary>False when the text is no selector.</summary>
    public static bool TryParse(string text, out LabelSelector? selector)
    {
        selector = null;
        List<Requirement> requirements = [];
        foreach (string part in Split(text))
        {
            if (Parse(part.Trim()) is not { } requirement)
            {
                return false;
            }

            requirements.Add(requirement);
        }

        selector = new LabelSelector([.. requirements], text);
        return true;
    }

    public bool Matches(IReadOnlyDictionary<string, string> labels) => Array.TrueForAll(_requirements, r => r.Holds(labels));

    public override bool Equals(object? obj) => obj is LabelSelector other && other.Text == Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    /// <summary>At the commas that stand in no parentheses.</summary>
    private static List<string> Split(string text)
    {
        List<string> parts = [];
        int depth = 0;
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
            if (text[i] == ',' && depth == 0)
            {
                parts.Add(text[start..i]);
                start = i + 1;
            }
        }

        parts.Add(text[start..]);
        return parts;
    }

    private static Requirement? Parse(string part)
    {
        if (part.StartsWith('!'))
        {
            string absent = part[1..].Trim();
            return IsKey(absent) ? new Requirement(absent, Operation.DoesNotExist, []) : null;
        }

        if (part.EndsWith(')'))
        {
            return ParseSet(part);
        }

        foreach ((string sign, Operation operation) in ((string, Operation)[])[("!=", Operation.NotIn), ("==", Operation.In), ("=", Operation.In), (">", Operation.GreaterThan), ("<", Operation.LessThan)])
        {
            int at = part.IndexOf(sign, StringComparison.Ordinal);
            if (at >= 0)
            {
                string key = part[..at].Trim();
                string value = part[(at + sign.Length)..].Trim();
                bool isNumber = operation is not (Operation.GreaterThan or Operation.LessThan) || long.TryParse(value, out _);
                return IsKey(key) && IsValue(value) && isNumber ? new Requirement(key, operation, [value]) : null;
            }
        }

        return IsKey(part) ? new Requirement(part, Operation.Exists, []) : null;
    }

    /// <summary>key in (a,b) or key notin (a,b).</summary>
    private static Requirement? ParseSet(string part)
    {
        int open = part.IndexOf('(', StringComparison.Ordinal);
        string[] words = open < 0 ? [] : part[..open].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is not [string key, "in" or "notin"] || !IsKey(key))
        {
            return null;
        }

        string[] values = part[(open + 1)..^1].Split(',', StringSplitOptions.TrimEntries);
        return Array.TrueForAll(values, IsValue) ? new Requirement(key, words[1] == "in" ? Operation.In : Operation.NotIn, values) : null;
    }

    private static bool IsKey(string text) => text.Length is > 0 and <= 317 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '/' or '_' or '-' or ':');

    private static bool IsValue(string text) => text.Length <= 63 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private sealed record Requirement(string Key, Operation Operation, string[] Values)
    {
        public bool Holds(IReadOnlyDictionary<string, string> labels)
        {
            bool isThere = labels.TryGetValue(Key, out string? value);
            return Operation switch
            {
                Operation.In => isThere && Values.Contains(value),
                Operation.NotIn => !isThere || !Values.Contains(value),
                Operation.Exists => isThere,
                Operation.DoesNotExist => !isThere,
                Operation.GreaterThan => isThere && long.TryParse(value, out long number) && number > long.Parse(Values[0], System.Globalization.CultureInfo.InvariantCulture),
                _ => isThere && long.TryParse(value, out long number) && number < long.Parse(Values[0], System.Globalization.CultureInfo.InvariantCulture),
            };
        }
    }
}
