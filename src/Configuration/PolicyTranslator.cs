using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>Policies of a document -> their specs, and back; and the section policy of a node document.</summary>
internal static class PolicyTranslator
{
    private static readonly (string Name, IpProtocol Protocol)[] s_protocols =
    [
        ("TCP", IpProtocol.Tcp), ("UDP", IpProtocol.Udp), ("SCTP", IpProtocol.Sctp), ("ANY", ServiceTable.AnyProtocol), ("ICMP", IpProtocol.Icmp), ("ICMPv6", IpProtocol.Icmpv6),
    ];

    private static readonly string[] s_entities =
        ["all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver", "health", "init", "ingress", "unmanaged", "none"];

    public static PolicySpec Policy(PolicyDocument document, Place place)
    {
        Place rules = place.Field("rules");
        return new PolicySpec(
            ValueParser.Name(document.Name, place.Field("name"), "default/allow-curl"), document.Kind ?? "", Selector(document.Selector, place.Field("selector")), document.Node,
            document.DefaultDenyIngress, document.DefaultDenyEgress,
            [.. (document.Rules ?? []).Select((r, i) => Rule(r ?? throw rules.Item(i).Refuse("the item is empty; give its fields or remove it"), rules.Item(i)))], place.Source);
    }

    public static PolicyDocument Write(PolicySpec policy) => new()
    {
        Name = policy.Name,
        Kind = policy.Kind.Length > 0 ? policy.Kind : null,
        Selector = policy.Subject.Text,
        Node = policy.IsForNode,
        DefaultDenyIngress = policy.DeniesIngress,
        DefaultDenyEgress = policy.DeniesEgress,
        Rules = [.. policy.Rules.Select(Write)],
    };

    public static PolicyOptions Options(PolicySection section, Place place) => new()
    {
        IsAudit = section.AuditMode,
        AllowsLocalhost = section.AllowLocalhost,
        HasHostFirewall = section.HostFirewall,
        RefusesDenied = section.DenyResponse switch
        {
            "none" => false,
            "icmp" => true,
            _ => throw place.Field("denyResponse").Refuse($"expected none or icmp, found {ValueText.Quote(section.DenyResponse ?? "")}"),
        },
        Enforcement = section.Enforcement switch
        {
            "default" => PolicyEnforcement.Default,
            "always" => PolicyEnforcement.Always,
            "never" => PolicyEnforcement.Never,
            _ => throw place.Field("enforcement").Refuse($"expected default, always or never, found {ValueText.Quote(section.Enforcement ?? "")}"),
        },
    };

    public static PolicySection Write(PolicyOptions options) => new()
    {
        AuditMode = options.IsAudit,
        Enforcement = options.Enforcement.ToString().ToLowerInvariant(),
        AllowLocalhost = options.AllowsLocalhost,
        HostFirewall = options.HasHostFirewall,
        DenyResponse = options.RefusesDenied ? "icmp" : "none",
    };

    private static PolicyRuleSpec Rule(PolicyRuleDocument document, Place place)
    {
        bool isIngress = document.Direction switch
        {
            "ingress" => true,
            "egress" => false,
            _ => throw place.Field("direction").Refuse($"expected ingress or egress, found {ValueText.Quote(document.Direction ?? "")}"),
        };
        return new PolicyRuleSpec(
            isIngress, document.Deny,
            document.Peers is null ? null : [.. document.Peers.Select((p, i) => Peer(p, place.Field("peers").Item(i)))],
            document.Ports is null ? null : [.. document.Ports.Select((p, i) => Ports(p, place.Field("ports").Item(i)))],
            document.Source ?? place.Source);
    }

    private static PolicyPeerSpec Peer(PolicyPeerDocument? document, Place place)
    {
        if (document is null || (document.Labels is null ? 0 : 1) + (document.Entity is null ? 0 : 1) + (document.Cidr is null ? 0 : 1) != 1)
        {
            throw place.Refuse("a peer is either labels, an entity or a cidr; give one of the three");
        }

        if (document.Except is { Count: > 0 } && document.Cidr is null)
        {
            throw place.Field("except").Refuse("only a cidr has exceptions; remove them");
        }

        if (document.Labels is not null)
        {
            return new PolicyPeerSpec(Selector(document.Labels, place.Field("labels")), null, null, []);
        }

        if (document.Entity is not null)
        {
            return s_entities.Contains(document.Entity)
                ? new PolicyPeerSpec(null, document.Entity, null, [])
                : throw place.Field("entity").Refuse($"{ValueText.Quote(document.Entity)} is no entity; there are {string.Join(", ", s_entities)}");
        }

        IpPrefix cidr = ValueParser.LooseCidr(document.Cidr, place.Field("cidr"));
        List<IpPrefix> except = [];
        foreach ((int i, string text) in (document.Except ?? []).Index())
        {
            IpPrefix part = ValueParser.LooseCidr(text, place.Field("except").Item(i));
            except.Add(cidr.Overlaps(part) && part.Length >= cidr.Length ? part : throw place.Field("except").Item(i).Refuse($"{part} is no part of {cidr}; remove it"));
        }

        return new PolicyPeerSpec(null, null, cidr, [.. except.Distinct().Order()]);
    }

    private static PolicyPortSpec Ports(PolicyPortDocument? document, Place place)
    {
        int found = Array.FindIndex(s_protocols, p => p.Name == document?.Protocol);
        if (document is null || found < 0)
        {
            throw place.Field("protocol").Refuse($"expected TCP, UDP, SCTP, ANY, ICMP or ICMPv6, found {ValueText.Quote(document?.Protocol ?? "")}");
        }

        IpProtocol protocol = s_protocols[found].Protocol;
        if (document.Port is not int first)
        {
            return document.EndPort is null ? new PolicyPortSpec(protocol, null, 0) : throw place.Field("endPort").Refuse("a range needs its first port; add port");
        }

        if (protocol is IpProtocol.Icmp or IpProtocol.Icmpv6)
        {
            ValueParser.InRange(first, 0, byte.MaxValue, place.Field("port"), "ICMP type");
            return document.EndPort is null ? new PolicyPortSpec(protocol, (ushort)first, (ushort)first) : throw place.Field("endPort").Refuse("ICMP types have no ranges; remove it");
        }

        ushort start = ValueParser.Port(first, place.Field("port"));
        ushort end = document.EndPort is int last ? ValueParser.Port(last, place.Field("endPort")) : start;
        return end >= start ? new PolicyPortSpec(protocol, start, end) : throw place.Field("endPort").Refuse($"{end} is below the first port {start}; swap them");
    }

    private static LabelSelector Selector(string? text, Place place) =>
        string.IsNullOrEmpty(text) ? LabelSelector.Everything
        : LabelSelector.TryParse(text, out LabelSelector? selector) ? selector!
        : throw place.Refuse($"{ValueText.Quote(text)} is no selector; write k8s:app=webpod, k8s:app in (a,b), k8s:app, !k8s:app, with commas between");

    private static PolicyRuleDocument Write(PolicyRuleSpec rule) => new()
    {
        Direction = rule.IsIngress ? "ingress" : "egress",
        Deny = rule.IsDeny,
        Peers = rule.Peers is null ? null : [.. rule.Peers.Select(Write)],
        Ports = rule.Ports is null ? null : [.. rule.Ports.Select(Write)],
        Source = rule.Source,
    };

    private static PolicyPeerDocument Write(PolicyPeerSpec peer) => new()
    {
        Labels = peer.Labels?.Text,
        Entity = peer.Entity,
        Cidr = peer.Cidr?.ToString(),
        Except = peer.Except.Count > 0 ? [.. peer.Except.Select(e => e.ToString())] : null,
    };

    private static PolicyPortDocument Write(PolicyPortSpec ports) => new()
    {
        Protocol = s_protocols.First(p => p.Protocol == ports.Protocol).Name,
        Port = ports.First,
        EndPort = ports.First is ushort first && first != ports.Last ? ports.Last : null,
    };
}
