using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>
/// An etcd client's YAML file, as etcd and Cilium read it: endpoints, trusted-ca-file, cert-file, key-file;
/// <c>host-aliases</c> and <c>routing-mode</c> are ours. Others are passed over.
/// </summary>
public static class EtcdClientFile
{
    private const int LengthLimit = 64 * 1024;

    /// <summary>The file nests two deep; the library's nodes are made by recursion, which as many brackets as the file may have would end with the process.</summary>
    private const int DepthLimit = 32;

    /// <param name="mistake">One sentence, when null is returned.</param>
    public static EtcdSettings? Parse(string text, out string mistake)
    {
        mistake = "";
        if (text.Length > LengthLimit)
        {
            mistake = $"the file has {text.Length} characters, more than {LengthLimit}";
            return null;
        }

        YamlMappingNode? root;
        try
        {
            if (IsTooDeep(text))
            {
                mistake = "lists and mappings are nested too deep; no field needs that";
                return null;
            }

            YamlStream stream = [];
            stream.Load(new StringReader(text));
            root = stream.Documents.Count == 1 ? stream.Documents[0].RootNode as YamlMappingNode : null;
        }
        catch (Exception fault) when (fault is YamlException or InvalidOperationException or ArgumentException)
        {
            mistake = $"this is not valid YAML ({Shown.Plain(fault.Message.TrimEnd('.'))})";
            return null;
        }

        if (root is null || !root.Children.TryGetValue(new YamlScalarNode("endpoints"), out YamlNode? listed) || listed is not YamlSequenceNode { Children.Count: > 0 } list)
        {
            mistake = "'endpoints' must be a list of addresses like https://east.mesh.cilium.io:32379";
            return null;
        }

        List<Uri> endpoints = [];
        foreach (YamlNode item in list)
        {
            string endpoint = (item as YamlScalarNode)?.Value ?? "";
            if (!Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || uri.AbsolutePath != "/")
            {
                mistake = $"endpoint {Shown.Quote(endpoint)} is no address like https://east.mesh.cilium.io:32379";
                return null;
            }

            endpoints.Add(uri);
        }

        string? value(string name) => root.Children.TryGetValue(new YamlScalarNode(name), out YamlNode? node) ? (node as YamlScalarNode)?.Value : null;
        EtcdSettings settings = new(endpoints, value("trusted-ca-file"), value("cert-file"), value("key-file")) { RoutingMode = value("routing-mode") };
        return root.Children.TryGetValue(new YamlScalarNode("host-aliases"), out YamlNode? aliases) && aliases is YamlMappingNode map
            ? WithAliases(settings, map, out mistake)
            : settings;
    }

    private static bool IsTooDeep(string text)
    {
        Parser parser = new(new StringReader(text));
        int depth = 0;
        while (depth <= DepthLimit && parser.MoveNext())
        {
            depth += parser.Current!.NestingIncrease;
        }

        return depth > DepthLimit;
    }

    private static EtcdSettings? WithAliases(EtcdSettings settings, YamlMappingNode map, out string mistake)
    {
        mistake = "";
        Dictionary<string, System.Net.IPAddress> aliases = [];
        foreach ((YamlNode name, YamlNode text) in map.Children)
        {
            if (!System.Net.IPAddress.TryParse((text as YamlScalarNode)?.Value, out System.Net.IPAddress? address))
            {
                mistake = $"host-aliases: {Shown.Quote((text as YamlScalarNode)?.Value)} is no IP address";
                return null;
            }

            aliases[(name as YamlScalarNode)?.Value ?? ""] = address;
        }

        return settings with { HostAliases = aliases };
    }
}
