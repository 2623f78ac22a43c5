using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Who speaks to whom, and may they? Finds the identities of both ends of the flow between client and backend, and asks what the one's policy lets out
/// and the other's lets in. Answers and ICMP errors of a flow are not asked again. Only packets that take the stages come here; those of established
/// flows keep what was decided until the configuration changes (cilium bpf/lib/policy.h is the behaviour followed).
/// </summary>
public static class PolicyStage
{
    public static Verdict Run(ref PacketContext p, IpcacheTable ipcache, PolicyTable policies)
    {
        ref readonly IpcacheTarget source = ref ipcache.Lookup(p.FlowKey.Source);
        ref readonly IpcacheTarget destination = ref ipcache.Lookup(p.FlowKey.Destination);
        p.SourceIdentity = SourceIdentity(p, source.Identity);
        p.DestinationIdentity = destination.Identity;
        if (policies.IsEmpty || p.IsHairpin || p.Status is ConntrackStatus.Reply or ConntrackStatus.Related || p.IsIcmpError)
        {
            return Verdict.Continue;
        }

        ushort port = p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 ? p.IcmpType : p.FlowKey.DestinationPort;
        if (p.IngressKind != PortKind.Uplink && policies.Of(p.IngressPort) is { Egress: { } egress } sender)
        {
            PolicyDecision decision = egress.Lookup(p.DestinationIdentity, p.Key.Protocol, port);
            p.EgressPolicy = VerdictOf(decision, sender.IsAudit);
            p.EgressMatch = decision.Match;
            if (p.EgressPolicy == FlowVerdict.Dropped)
                return p.Drop(ReasonOf(decision));
        }

        if (policies.Of(destination.Port) is { Ingress: { } ingress } receiver)
        {
            PolicyDecision decision = ingress.Lookup(p.SourceIdentity, p.Key.Protocol, port);
            p.IngressPolicy = VerdictOf(decision, receiver.IsAudit);
            p.IngressMatch = decision.Match;
            if (p.IngressPolicy == FlowVerdict.Dropped)
                return p.Drop(ReasonOf(decision));
        }

        return Verdict.Continue;
    }

    /// <summary>
    /// What the node's own stack sends under an address that nobody is known by is the host's; and what comes from the node network under
    /// an identity that only the node itself has is a remote node's (bpf_host.c resolve_srcid).
    /// </summary>
    private static uint SourceIdentity(in PacketContext p, uint identity) => p.IngressKind switch
    {
        PortKind.Uplink when p.Tunnel.IsSet && p.Tunnel.Identity != NumericIdentity.RemoteNode => p.Tunnel.Identity, // bpf_overlay.c: the VNI says it
        PortKind.Host when NumericIdentity.IsWorld(identity) => NumericIdentity.Host,
        PortKind.Uplink when identity == NumericIdentity.Host => NumericIdentity.RemoteNode,
        _ => identity,
    };

    private static FlowVerdict VerdictOf(PolicyDecision decision, bool isAudit) =>
        decision.Kind == PolicyDecisionKind.Allow ? FlowVerdict.Forwarded : isAudit ? FlowVerdict.Audit : FlowVerdict.Dropped;

    private static DropReason ReasonOf(PolicyDecision decision) => decision.Kind == PolicyDecisionKind.Deny ? DropReason.PolicyDeny : DropReason.PolicyDenied;
}
