using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>The own cluster's policies -> what the forwarder is told: names of ports become ports, services become those behind them. Pure.</summary>
/// <param name="isLocalByDefault">Cilium's policy-default-local-cluster: a selector that names no cluster means the own one.</param>
internal sealed class PolicyDocuments(string cluster, bool isLocalByDefault, LocalObjects objects, MeshView view, Func<PodObject, IdentityLabels> labelsOf)
{
    private const string ClusterKey = "k8s:" + IdentityLabels.ClusterLabel;

    /// <summary>By the kinds' short names.</summary>
    private static readonly Dictionary<string, string> s_short = new() { ["NetworkPolicy"] = "netpol", ["CiliumNetworkPolicy"] = "cnp", ["CiliumClusterwideNetworkPolicy"] = "ccnp" };

    public List<PolicyDocument> Make() =>
    [
        .. objects.Policies.Values.SelectMany(p => p.Specs.Select((s, i) => Policy(p, s, p.Specs.Count == 1 ? "" : $":{i + 1}"))),
    ];

    private PolicyDocument Policy(PolicyObject policy, PolicySpecObject spec, string suffix) => new()
    {
        Name = $"{s_short[policy.Kind]}/{policy.Key}{suffix}",
        Kind = policy.Kind,
        Selector = spec.Subject,
        Node = spec.IsForNode,
        DefaultDenyIngress = spec.DeniesIngress,
        DefaultDenyEgress = spec.DeniesEgress,
        Rules = [.. spec.Rules.Select(r => new PolicyRuleDocument
        {
            Direction = r.IsIngress ? "ingress" : "egress",
            Deny = r.IsDeny,
            Peers = r.Peers is null ? null : [.. r.Peers.SelectMany(Peers)],
            Ports = r.Ports is null ? null : [.. r.Ports.SelectMany(p => Ports(p, r.IsIngress ? spec.Subject : null))],
            Source = r.Source,
        })],
    };

    private IEnumerable<PolicyPeerDocument> Peers(PolicyPeerObject peer)
    {
        if (peer.Labels is not null)
        {
            bool isAnywhere = peer.Labels.Contains(IdentityLabels.ClusterLabel, StringComparison.Ordinal) || peer.Labels.Contains("reserved:", StringComparison.Ordinal);
            return [new PolicyPeerDocument { Labels = isLocalByDefault && !isAnywhere ? PolicySelectors.And(peer.Labels, $"{ClusterKey}={cluster}") : peer.Labels }];
        }

        if (peer.Service is not null || peer.ServiceLabels is not null)
        {
            LabelSelector? wanted = peer.ServiceLabels is { Length: > 0 } text && LabelSelector.TryParse(text, out LabelSelector? selector) ? selector : null;
            return objects.Services.Values
                .Where(s => peer.Service is not null ? s.Key == peer.Service : s.Namespace == peer.ServiceNamespace && (wanted?.Matches(s.Labels) ?? true))
                .SelectMany(Behind);
        }

        return [new PolicyPeerDocument { Entity = peer.Entity, Cidr = peer.Cidr, Except = peer.Except.Count > 0 ? peer.Except : null }];
    }

    /// <summary>The pods that a service selects, or the addresses that were written for it.</summary>
    private IEnumerable<PolicyPeerDocument> Behind(ServiceObject service) => service.Selector.Count > 0
        ? [new PolicyPeerDocument { Labels = string.Join(',', service.Selector.Select(l => $"k8s:{l.Key}={l.Value}").Append($"{PolicySelectors.Namespace}={service.Namespace}")) }]
        : objects.EndpointSlices.Values.Where(s => s.Namespace == service.Namespace && s.Service == service.Name).SelectMany(s => s.Endpoints).SelectMany(e => e.Addresses)
            .Where(a => IpAddress.TryParse(a, out _)).Select(a => new PolicyPeerDocument { Cidr = IpPrefix.Host(IpAddress.Parse(a)).ToString() });

    /// <param name="subject">Of ingress, whose ports they are; null for egress: then those of all pods.</param>
    private IEnumerable<PolicyPortDocument> Ports(PolicyPortObject port, string? subject)
    {
        if (port.Name.Length == 0)
        {
            return [new PolicyPortDocument { Protocol = port.Protocol, Port = port.Port, EndPort = port.EndPort }];
        }

        LabelSelector? selector = subject is { Length: > 0 } && LabelSelector.TryParse(subject, out LabelSelector? parsed) ? parsed : null;
        IEnumerable<(string Protocol, int Port)> own = objects.RunningPods().Where(p => selector?.Matches(SourcedLabels(p)) ?? true)
            .SelectMany(p => p.Ports).Where(p => p.Name == port.Name).Select(p => (p.Protocol, p.Port));
        IEnumerable<(string Protocol, int Port)> others = subject is not null ? [] : view.Ips.SelectMany(i => i.NamedPorts).Where(p => p.Name == port.Name)
            .Select(p => (ServicePort.TextOf(p.Protocol) ?? "", (int)p.Port));
        return own.Concat(others).Where(p => (port.Protocol == "ANY" || p.Protocol == port.Protocol) && p.Protocol is "TCP" or "UDP" or "SCTP").Distinct().Order()
            .Select(p => new PolicyPortDocument { Protocol = p.Protocol, Port = p.Port });
    }

    private Dictionary<string, string> SourcedLabels(PodObject pod)
    {
        Dictionary<string, string> labels = [];
        foreach (string label in labelsOf(pod).Labels)
        {
            string[] parts = label.Split('=', 2);
            labels[parts[0]] = parts.Length > 1 ? parts[1] : "";
            labels["any:" + parts[0][(parts[0].IndexOf(':', StringComparison.Ordinal) + 1)..]] = parts.Length > 1 ? parts[1] : "";
        }

        return labels;
    }
}
