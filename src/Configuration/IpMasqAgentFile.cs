using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// The file of ip-masq-agent -> the destinations that see pods under their own addresses, by the rules of Cilium (pkg/ipmasq): YAML or JSON, names
/// in any case, unknown fields ignored, CIDRs canonicalised, a list of defaults only when the file is absent or has no bytes.
/// </summary>
public static class IpMasqAgentFile
{
    private const string Cidrs = "nonMasqueradeCIDRs";
    private const string LinkLocalIpv4 = "masqLinkLocal";
    private const string LinkLocalIpv6 = "masqLinkLocalIPv6";

    /// <summary>The networks that ip-masq-agent exempts when nobody tells it otherwise.</summary>
    private static readonly string[] s_defaults =
    [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
    ];

    /// <returns>Sorted, each once.</returns>
    /// <exception cref="ConfigurationException">The file cannot be read or holds a mistake.</exception>
    public static IReadOnlyList<IpPrefix> Read(string path, LocalNodeSpec local)
    {
        ArgumentNullException.ThrowIfNull(local);
        return Parse(path, File.Exists(path) || Directory.Exists(path) ? DocumentReader.ReadText(path) : "", LinkLocal.IsIpv6Used(local));
    }

    /// <summary>As <see cref="Read"/>, for text in memory.</summary>
    /// <param name="file">What messages call the text.</param>
    /// <exception cref="ConfigurationException">The text holds a mistake.</exception>
    public static IReadOnlyList<IpPrefix> Parse(string file, string text, bool usesIpv6)
    {
        ArgumentNullException.ThrowIfNull(text);
        SortedSet<IpPrefix> cidrs = [.. text.Length == 0 ? s_defaults.Select(IpPrefix.Parse) : []];
        bool masqueradesIpv4 = false;
        bool masqueradesIpv6 = false;
        if (HasContent(text))
        {
            YamlNode root = YamlLoader.Load(file, text);
            Place place = Place.Root(DocumentOrigin.OfFile(file, new Lazy<YamlNode>(root)));
            ReadCidrs(Field(root, Cidrs, place), place.Field(Cidrs), cidrs);
            masqueradesIpv4 = ReadSwitch(Field(root, LinkLocalIpv4, place), place.Field(LinkLocalIpv4));
            masqueradesIpv6 = ReadSwitch(Field(root, LinkLocalIpv6, place), place.Field(LinkLocalIpv6));
        }

        if (!masqueradesIpv4)
        {
            cidrs.Add(LinkLocal.Ipv4);
        }

        if (!masqueradesIpv6 && usesIpv6)
        {
            cidrs.Add(LinkLocal.Ipv6);
        }

        return [.. cidrs];
    }

    /// <summary>A file of blanks and comments configures nothing; that is not the same as no file.</summary>
    private static bool HasContent(string text) =>
        text.Split('\n').Any(line => line.AsSpan().Trim() is { Length: > 0 } rest && rest[0] != '#' && !rest.SequenceEqual("---"));

    private static YamlNode? Field(YamlNode root, string name, Place place)
    {
        if (root.Resolved is YamlScalar { IsNull: true })
        {
            return null;
        }

        YamlMapping fields = root.Resolved as YamlMapping ?? throw place.Field(name).Refuse($"expected fields such as '{Cidrs}: [10.0.0.0/8]'");
        return fields.Fields.LastOrDefault(f => f.Key.Value.Equals(name, StringComparison.OrdinalIgnoreCase)).Value?.Resolved;
    }

    private static void ReadCidrs(YamlNode? node, Place place, SortedSet<IpPrefix> cidrs)
    {
        if (node is null or YamlScalar { IsNull: true })
        {
            return;
        }

        YamlSequence list = node as YamlSequence ?? throw place.Refuse("expected a list of CIDRs such as [10.0.0.0/8]");
        for (int i = 0; i < list.Items.Count; i++)
        {
            string? text = (list.Items[i].Resolved as YamlScalar)?.Value;
            cidrs.Add(ValueParser.LooseCidr(text, place.Item(i)));
        }
    }

    private static bool ReadSwitch(YamlNode? node, Place place) => node switch
    {
        null or YamlScalar { IsNull: true } => false,
        YamlScalar { IsPlain: true, Value: "true" or "True" or "TRUE" } => true,
        YamlScalar { IsPlain: true, Value: "false" or "False" or "FALSE" } => false,
        _ => throw place.Refuse("expected true or false"),
    };
}
