using System.Globalization;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>A manifest of Kubernetes' NetworkPolicy (networking.k8s.io/v1) -> a policy in the one form. The first mistake refuses it.</summary>
internal static class NetworkPolicyReader
{
    public static PolicyObject Read(YamlField root, string @namespace, string name)
    {
        YamlField spec = root.Only("apiVersion", "kind", "metadata", "spec", "status").Need("spec").Only("podSelector", "policyTypes", "ingress", "egress");
        List<PolicyRuleObject> rules =
        [
            .. (spec["ingress"]?.Items() ?? []).Select(r => Rule(r.Only("from", "ports"), "from", true, @namespace)),
            .. (spec["egress"]?.Items() ?? []).Select(r => Rule(r.Only("to", "ports"), "to", false, @namespace)),
        ];
        string[]? types = spec["policyTypes"] is { } given ? [.. given.Items().Select(t => t.OneOf("Ingress", "Egress"))] : null;
        return new PolicyObject("NetworkPolicy", @namespace, name)
        {
            Specs =
            [
                new PolicySpecObject
                {
                    Subject = spec["podSelector"] is { } selector ? PolicySelectors.Read(selector, PolicySelectors.PodKey, InNamespace(@namespace)) : InNamespace(@namespace),
                    DeniesIngress = types?.Contains("Ingress") ?? true,
                    DeniesEgress = types?.Contains("Egress") ?? spec["egress"] is not null,
                    Rules = rules,
                },
            ],
        };
    }

    private static PolicyRuleObject Rule(YamlField rule, string peers, bool isIngress, string @namespace)
    {
        YamlField[] given = [.. rule[peers]?.Items() ?? []];
        YamlField[] ports = [.. rule["ports"]?.Items() ?? []];
        return new PolicyRuleObject
        {
            IsIngress = isIngress,
            Peers = given.Length == 0 ? null : [.. given.Select(p => Peer(p, @namespace))], // An empty list is everybody here.
            Ports = ports.Length == 0 ? null : [.. ports.Select(Port)],
            Source = rule.Where,
        };
    }

    private static PolicyPeerObject Peer(YamlField peer, string @namespace)
    {
        peer.Only("podSelector", "namespaceSelector", "ipBlock");
        YamlField? pods = peer["podSelector"];
        YamlField? namespaces = peer["namespaceSelector"];
        if (peer["ipBlock"] is { } block)
        {
            return pods is null && namespaces is null
                ? Cidr(block.Only("cidr", "except"))
                : throw peer.Refuse("'ipBlock' stands alone; give the selectors a peer of their own");
        }

        if (pods is null && namespaces is null)
        {
            throw peer.Refuse("a peer needs 'podSelector', 'namespaceSelector' or 'ipBlock'");
        }

        string where = namespaces is null ? InNamespace(@namespace) : PolicySelectors.Read(namespaces, PolicySelectors.NamespaceKey);
        where = where.Length == 0 ? PolicySelectors.Namespace : where; // Any namespace is a pod's at least.
        return new PolicyPeerObject { Labels = pods is null ? where : PolicySelectors.Read(pods, PolicySelectors.PodKey, where) };
    }

    /// <summary>A block of addresses: cidr and except.</summary>
    public static PolicyPeerObject Cidr(YamlField block)
    {
        string text = block.Need("cidr").Checked(CidrMistake);
        _ = IpPrefix.TryParseInterface(text, out _, out IpPrefix cidr);
        List<string> except = [];
        foreach (YamlField item in block["except"]?.Items() ?? [])
        {
            _ = IpPrefix.TryParseInterface(item.Checked(CidrMistake), out _, out IpPrefix part);
            except.Add(cidr.Overlaps(part) && part.Length > cidr.Length ? part.ToString() : throw item.Refuse($"{part} is no part of {cidr}"));
        }

        return new PolicyPeerObject { Cidr = cidr.ToString(), Except = except };
    }

    public static string? CidrMistake(string text) => IpPrefix.TryParseInterface(text, out _, out _) && text.Contains('/', StringComparison.Ordinal) ? null : $"'{text}' is no CIDR";

    private static PolicyPortObject Port(YamlField port)
    {
        port.Only("protocol", "port", "endPort");
        PolicyPortObject read = new(port["protocol"]?.OneOf("TCP", "UDP", "SCTP") ?? "TCP");
        if (port["port"] is not { } first)
        {
            return port["endPort"] is { } alone ? throw alone.Refuse("a range needs its first port; add 'port'") : read;
        }

        if (!int.TryParse(first.Text(), NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            return port["endPort"] is { } end ? throw end.Refuse("a named port has no range") : read with { Name = first.Checked(PortNameMistake) };
        }

        int number = first.Number(1, 65535);
        return read with { Port = number, EndPort = port["endPort"]?.Number(number, 65535) };
    }

    public static string? PortNameMistake(string text) =>
        text.Length is > 0 and <= 15 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') && text.Any(char.IsAsciiLetter)
            ? null
            : $"'{text}' is neither a port nor the name of one";

    private static string InNamespace(string @namespace) => $"{PolicySelectors.Namespace}={@namespace}";
}
