using System.Globalization;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// A manifest of CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy (cilium.io/v2) -> a policy in the one form. What asks for a proxy or for a
/// cloud's API is refused with its name, never passed over: a policy that is only half kept is none.
/// </summary>
internal static class CiliumPolicyReader
{
    private const string NoProxy = "this datapath has no proxy, so it is refused rather than left out";

    private static readonly string[] s_entities =
        ["all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver", "health", "init", "ingress", "unmanaged", "none"];

    /// <summary>RFC 792, and RFC 4443: names as Cilium has them.</summary>
    private static readonly Dictionary<string, (int Ipv4, int Ipv6)> s_icmpTypes = new(StringComparer.Ordinal)
    {
        ["EchoReply"] = (0, 129),
        ["DestinationUnreachable"] = (3, 1),
        ["Redirect"] = (5, 137),
        ["EchoRequest"] = (8, 128),
        ["RouterAdvertisement"] = (9, 134),
        ["RouterSolicitation"] = (10, 133),
        ["RouterSelection"] = (10, -1),
        ["TimeExceeded"] = (11, 3),
        ["ParameterProblem"] = (12, 4),
        ["Timestamp"] = (13, -1),
        ["TimestampReply"] = (14, -1),
        ["Photuris"] = (40, -1),
        ["ExtendedEchoRequest"] = (42, 160),
        ["ExtendedEchoReply"] = (43, 161),
        ["PacketTooBig"] = (-1, 2),
        ["NeighborSolicitation"] = (-1, 135),
        ["NeighborAdvertisement"] = (-1, 136),
    };

    /// <param name="namespace">Empty for a clusterwide one.</param>
    public static PolicyObject Read(YamlField root, string kind, string @namespace, string name)
    {
        root.Only("apiVersion", "kind", "metadata", "spec", "specs", "status");
        YamlField[] specs = [.. (root["spec"] is { } one ? (YamlField[])[one] : []).Concat(root["specs"]?.Items() ?? [])];
        return specs.Length == 0
            ? throw root.Refuse("'spec' is missing")
            : new PolicyObject(kind, @namespace, name) { Specs = [.. specs.Select(s => Spec(s, @namespace))] };
    }

    private static PolicySpecObject Spec(YamlField spec, string @namespace)
    {
        spec.Only("description", "endpointSelector", "nodeSelector", "ingress", "egress", "ingressDeny", "egressDeny", "enableDefaultDeny", "labels", "log");
        YamlField? nodes = spec["nodeSelector"];
        if (nodes is null == spec["endpointSelector"] is null)
        {
            throw spec.Refuse("give 'endpointSelector' or 'nodeSelector', one of the two");
        }

        if (nodes is not null && @namespace.Length > 0)
        {
            throw nodes.Refuse("only a CiliumClusterwideNetworkPolicy selects nodes");
        }

        List<PolicyRuleObject> rules = [];
        foreach ((string field, bool isIngress, bool isDeny) in ((string, bool, bool)[])[("ingress", true, false), ("egress", false, false), ("ingressDeny", true, true), ("egressDeny", false, true)])
        {
            rules.AddRange((spec[field]?.Items() ?? []).Select(r => Rule(r, isIngress, isDeny, @namespace)));
        }

        YamlField? closed = spec["enableDefaultDeny"]?.Only("ingress", "egress");
        return new PolicySpecObject
        {
            Subject = nodes is not null
                ? PolicySelectors.Read(nodes, PolicySelectors.CiliumKey)
                : Within(PolicySelectors.Read(spec.Need("endpointSelector"), PolicySelectors.CiliumKey), @namespace),
            IsForNode = nodes is not null,
            DeniesIngress = closed?["ingress"]?.Flag() ?? Has(spec, "ingress", "ingressDeny"),
            DeniesEgress = closed?["egress"]?.Flag() ?? Has(spec, "egress", "egressDeny"),
            Rules = rules,
        };
    }

    private static bool Has(YamlField spec, params string[] fields) => fields.Any(f => spec[f]?.Items().Any() == true);

    private static PolicyRuleObject Rule(YamlField rule, bool isIngress, bool isDeny, string @namespace)
    {
        string way = isIngress ? "from" : "to";
        foreach (string field in (string[])["toFQDNs", "authentication", "fromGroups", "toGroups", "fromRequires", "toRequires", "fromNodes", "toNodes"])
        {
            if (rule[field] is { } refused)
            {
                throw refused.Refuse(field is "toFQDNs" ? NoProxy : "it is not taken here, so it is refused rather than left out");
            }
        }

        string[] peerFields = [$"{way}Endpoints", $"{way}Entities", $"{way}CIDR", $"{way}CIDRSet", .. isIngress ? (string[])[] : ["toServices"]];
        rule.Only([.. peerFields, "toPorts", "icmps"]);
        string[] given = [.. peerFields.Where(f => rule[f] is not null)];
        string[] filled = [.. given.Where(f => rule[f]!.Items().Any())];
        if (filled.Length > 1 && !filled.All(f => f.Contains("CIDR", StringComparison.Ordinal)))
        {
            throw rule.Refuse($"'{filled[0]}' and '{filled[1]}' do not go together; give each a rule of its own");
        }

        YamlField[] ports = [.. rule["toPorts"]?.Items() ?? []];
        YamlField[] icmps = [.. rule["icmps"]?.Items() ?? []];
        if (ports.Length > 0 && icmps.Length > 0)
        {
            throw rule.Refuse("'icmps' and 'toPorts' do not go together; give each a rule of its own");
        }

        List<PolicyPortObject>? wanted = ports.Length > 0 ? PortsOf(ports) : icmps.Length > 0 ? [.. icmps.SelectMany(IcmpTypes)] : null;
        return new PolicyRuleObject
        {
            IsIngress = isIngress,
            IsDeny = isDeny,
            // Nothing said about peers is everybody where ports are said, and a rule that says nothing means nobody.
            Peers = given.Length > 0 ? [.. given.SelectMany(f => rule[f]!.Items().Select(p => Peer(f[way.Length..], p, @namespace)))] : wanted is null ? [] : null,
            Ports = wanted,
            Source = rule.Where,
        };
    }

    private static PolicyPeerObject Peer(string kind, YamlField peer, string @namespace)
    {
        switch (kind)
        {
            case "Endpoints":
                return new PolicyPeerObject { Labels = Within(PolicySelectors.Read(peer, PolicySelectors.CiliumKey), @namespace) };
            case "Entities":
                return new PolicyPeerObject { Entity = peer.OneOf(s_entities) };
            case "CIDR":
                string text = peer.Checked(t => IpAddress.TryParse(t, out _) ? null : NetworkPolicyReader.CidrMistake(t));
                return new PolicyPeerObject
                {
                    Cidr = IpAddress.TryParse(text, out IpAddress address) ? IpPrefix.Host(address).ToString()
                        : IpPrefix.TryParseInterface(text, out _, out IpPrefix cidr) ? cidr.ToString() : text,
                };
            case "CIDRSet":
                return NetworkPolicyReader.Cidr(peer.Only("cidr", "except"));
            default:
                return Service(peer.Only("k8sService", "k8sServiceSelector"), @namespace);
        }
    }

    private static PolicyPeerObject Service(YamlField peer, string @namespace)
    {
        string own = @namespace.Length > 0 ? @namespace : "default";
        if (peer["k8sService"]?.Only("serviceName", "namespace") is { } service)
        {
            return new PolicyPeerObject { Service = $"{service["namespace"]?.Text() ?? own}/{service.Need("serviceName").Text()}" };
        }

        YamlField selector = peer.Need("k8sServiceSelector").Only("selector", "namespace");
        return new PolicyPeerObject
        {
            ServiceLabels = PolicySelectors.Read(selector.Need("selector"), key => key[(key.IndexOf(':', StringComparison.Ordinal) + 1)..]),
            ServiceNamespace = selector["namespace"]?.Text() ?? own,
        };
    }

    /// <summary>Null when one of them says all ports.</summary>
    private static List<PolicyPortObject>? PortsOf(YamlField[] toPorts)
    {
        List<PolicyPortObject> ports = [];
        bool isAll = false;
        foreach (YamlField each in toPorts)
        {
            foreach (string field in (string[])["rules", "terminatingTLS", "originatingTLS", "listener", "serverNames"])
            {
                if (each[field] is { } refused)
                {
                    throw refused.Refuse(NoProxy);
                }
            }

            YamlField[] given = [.. each.Only("ports")["ports"]?.Items() ?? []];
            isAll |= given.Length == 0;
            ports.AddRange(given.Select(Port));
        }

        return isAll ? null : ports;
    }

    private static PolicyPortObject Port(YamlField port)
    {
        port.Only("port", "endPort", "protocol");
        PolicyPortObject read = new(port["protocol"]?.OneOf("TCP", "UDP", "SCTP", "ANY") ?? "ANY");
        YamlField first = port.Need("port");
        if (!int.TryParse(first.Text(), NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            return port["endPort"] is { } end ? throw end.Refuse("a named port has no range") : read with { Name = first.Checked(NetworkPolicyReader.PortNameMistake) };
        }

        int number = first.Number(0, 65535);
        return number == 0 ? read : read with { Port = number, EndPort = port["endPort"]?.Number(number, 65535) is int last && last > number ? last : null };
    }

    private static IEnumerable<PolicyPortObject> IcmpTypes(YamlField icmp)
    {
        foreach (YamlField field in icmp.Only("fields").Need("fields").Items())
        {
            bool isIpv4 = (field.Only("family", "type")["family"]?.OneOf("IPv4", "IPv6") ?? "IPv4") == "IPv4";
            YamlField type = field.Need("type");
            int number = s_icmpTypes.TryGetValue(type.Text(), out (int Ipv4, int Ipv6) known) && (isIpv4 ? known.Ipv4 : known.Ipv6) is >= 0 and int named ? named
                : char.IsAsciiDigit(type.Text().FirstOrDefault()) ? type.Number(0, 255)
                : throw type.Refuse($"'{type.Text()}' is no ICMP type of {(isIpv4 ? "IPv4" : "IPv6")}; write its number or its name, such as EchoRequest");
            yield return new PolicyPortObject(isIpv4 ? "ICMP" : "ICMPv6") { Port = number };
        }
    }

    /// <summary>A policy of a namespace means its own pods where it does not name another; a clusterwide one means pods of any.</summary>
    private static string Within(string selector, string @namespace) => PolicySelectors.NamesNamespace(selector) ? selector
        : @namespace.Length > 0 ? PolicySelectors.And(selector, $"k8s:{IdentityLabels.NamespaceLabel}={@namespace}")
        : selector.Length == 0 ? PolicySelectors.Namespace : selector;
}
