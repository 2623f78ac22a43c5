using System.Net;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Policy;

/// <summary>
/// What policies mean, said once more and plainly: who somebody is, is looked up in the rules themselves, rule by rule, with neither identities nor
/// maps nor prefixes of ports. Addresses are compared by the framework's own type.
/// </summary>
internal static class ReferencePolicy
{
    public static DropReason Decide(IReadOnlyList<PolicySpec> policies, Actor from, Actor to, IpProtocol protocol, ushort port)
    {
        DropReason sent = from.Kind == ActorKind.Pod ? Side(policies, from, to, false, protocol, port) : DropReason.None;
        return sent != DropReason.None || to.Kind != ActorKind.Pod ? sent : Side(policies, to, from, true, protocol, port);
    }

    private static DropReason Side(IReadOnlyList<PolicySpec> policies, Actor subject, Actor peer, bool isIngress, IpProtocol protocol, ushort port)
    {
        bool isClosed = false;
        bool isAllowed = isIngress && peer.Kind == ActorKind.Node && peer.Home == subject.Home; // The node's kubelet.
        foreach (PolicySpec policy in policies)
        {
            if (policy.IsForNode || !HasLabels(subject, policy.Subject.Text))
            {
                continue;
            }

            isClosed |= isIngress ? policy.DeniesIngress : policy.DeniesEgress;
            foreach (PolicyRuleSpec rule in policy.Rules)
            {
                if (rule.IsIngress == isIngress && IsPeer(rule, peer, subject) && IsPort(rule, protocol, port))
                {
                    if (rule.IsDeny)
                    {
                        return DropReason.PolicyDeny;
                    }

                    isAllowed = true;
                }
            }
        }

        return isAllowed || !isClosed ? DropReason.None : DropReason.PolicyDenied;
    }

    private static bool IsPeer(PolicyRuleSpec rule, Actor peer, Actor subject)
    {
        if (rule.Peers is null)
        {
            return true;
        }

        foreach (PolicyPeerSpec wanted in rule.Peers)
        {
            bool isMeant = wanted.Labels is not null ? peer.Kind == ActorKind.Pod && HasLabels(peer, wanted.Labels.Text)
                : wanted.Entity is not null ? IsEntity(wanted.Entity, peer, subject)
                : peer.Kind == ActorKind.Outside && IsWithin(peer, wanted.Cidr!.Value) && !wanted.Except.Any(e => IsWithin(peer, e));
            if (isMeant)
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsEntity(string entity, Actor peer, Actor subject) => entity switch
    {
        "all" => true,
        "world" => peer.Kind == ActorKind.Outside,
        "cluster" => peer.Kind == ActorKind.Node || (peer.Kind == ActorKind.Pod && peer.Home == subject.Home),
        "host" => peer.Kind == ActorKind.Node && peer.Home == subject.Home,
        "remote-node" => peer.Kind == ActorKind.Node && peer.Home != subject.Home,
        _ => false,
    };

    private static bool IsPort(PolicyRuleSpec rule, IpProtocol protocol, ushort port)
    {
        if (rule.Ports is null)
        {
            return true;
        }

        foreach (PolicyPortSpec wanted in rule.Ports)
        {
            bool isAny = wanted.Protocol == ServiceTable.AnyProtocol && protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp;
            if ((wanted.Protocol == protocol || isAny) && (wanted.First is null || (port >= wanted.First && port <= wanted.Last)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Only the form that these tests write: key=value, with commas between.</summary>
    private static bool HasLabels(Actor actor, string selector) => selector.Split(',', StringSplitOptions.RemoveEmptyEntries)
        .All(r => r.Split('=') is [string key, string value] && actor.Labels.TryGetValue(key, out string? has) && has == value);

    private static bool IsWithin(Actor actor, IpPrefix prefix) => IPNetwork.Parse(prefix.ToString()).Contains(IPAddress.Parse(actor.Address.ToString()));
}
