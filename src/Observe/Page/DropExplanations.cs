using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>When a drop reason is given, in the words of docs/drop-reasons.md, which the program carries with it.</summary>
internal static partial class DropExplanations
{
    private static readonly Dictionary<int, string> s_whens = Read();

    /// <summary>Null for a reason that our own datapath never gives.</summary>
    public static string? Of(int reason) => s_whens.GetValueOrDefault(reason);

    private static Dictionary<int, string> Read()
    {
        using Stream page = Assembly.GetExecutingAssembly().GetManifestResourceStream("page/drop-reasons.md")!;
        using StreamReader reader = new(page);
        return Row().Matches(reader.ReadToEnd()).ToDictionary(m => int.Parse(m.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture), m => m.Groups[2].Value);
    }

    [GeneratedRegex(@"(?m)^\| (\d+) \| [^|]+ \| ([^|]+) \|$")]
    private static partial Regex Row();
}
