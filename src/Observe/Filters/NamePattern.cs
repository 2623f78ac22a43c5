using System.Text;
using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Observe.Filters;

/// <summary>
/// Patterns over names. Of nodes: <c>worker*</c> in any cluster, <c>west/</c> for all nodes of one, <c>west/*.lab</c>. Of DNS names: <c>*.example.org</c>.
/// A star stands for any letters, digits, hyphens and dots; upper and lower case are one.
/// </summary>
public static class NamePattern
{
    /// <exception cref="FilterException">The pattern is empty or has other characters.</exception>
    public static Func<string, bool> OfNode(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        string[] elements = pattern.Split('/');
        if (pattern.Length == 0 || elements.Length > 2)
        {
            throw new FilterException($"node_name '{pattern}' is neither a pattern of nodes nor cluster/pattern");
        }

        Func<string, bool> cluster = elements.Length == 1 || elements[0].Length == 0 ? _ => true : Of(elements[0], "node_name");
        Func<string, bool> node = elements[^1].Length == 0 ? _ => true : Of(elements[^1], "node_name");
        return name =>
        {
            int slash = name.IndexOf('/', StringComparison.Ordinal);
            return cluster(slash < 0 ? "default" : name[..slash]) && node(name[(slash + 1)..]);
        };
    }

    /// <exception cref="FilterException">The pattern is empty or has other characters.</exception>
    public static Func<string, bool> OfHost(string pattern, string field) => Of(pattern, field);

    private static Func<string, bool> Of(string pattern, string field)
    {
        string plain = pattern.Trim().ToLowerInvariant();
        plain = plain.EndsWith('.') ? plain[..^1] : plain;
        StringBuilder regex = new(@"\A");
        foreach (char c in plain)
        {
            regex.Append(c switch
            {
                '*' => "[-._0-9a-z]*",
                '.' => @"\.",
                '-' or '_' or (>= '0' and <= '9') or (>= 'a' and <= 'z') => c.ToString(),
                _ => throw new FilterException($"{field} '{pattern}': '{c}' is neither letter, digit, hyphen, underscore, dot nor *"),
            });
        }

        if (plain.Length == 0)
        {
            throw new FilterException($"{field} has an empty pattern");
        }

        // Without backtracking, so that no pattern takes long.
        Regex compiled = new(regex.Append(@"\z").ToString(), RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
        return compiled.IsMatch;
    }
}
