using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Which policies there are, and why they let a packet pass or not: by the maps that packets meet, and the rules that these were made of.</summary>
internal sealed class PolicyAnswers(NodeRuntime node)
{
    public ListResult<PolicyRow> Policies(string? cursor, int limit) => node.Read(writer => Page.Of(
        writer.Version, writer.Desired.Policies.Values.OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => Row(writer, p)), cursor, limit, ControlKinds.Policy.Key));

    public ExplainResult Explain(ExplainRequest request) => node.Read(writer =>
    {
        if (!PolicyNames.TryParsePort(request.Port, out ushort port, out IpProtocol protocol))
        {
            throw new ControlException(ErrorCode.InvalidParams, $"port: '{request.Port}' is no port; write 80/TCP, or an ICMP type as 8/ICMP");
        }

        (ExplainPeer from, IpcacheTarget source) = Peer(writer, request.From, "from");
        (ExplainPeer to, IpcacheTarget destination) = Peer(writer, request.To, "to", IpAddress.Parse(from.Address).IsIpv4);
        if (writer.Current.Services.TryFind(IpAddress.Parse(to.Address), port, protocol, out _))
        {
            throw new ControlException(ErrorCode.InvalidParams, $"to: {to.Address}:{PolicyNames.Port(port, protocol)} is a frontend; policies see its backends: name one of them");
        }

        ExplainSide? egress = Side(writer, source, false, destination.Identity, protocol, port);
        ExplainSide? ingress = Side(writer, destination, true, source.Identity, protocol, port);
        string[] verdicts = [egress?.Verdict ?? "allowed", ingress?.Verdict ?? "allowed"];
        return new ExplainResult(
            from, to, PolicyNames.Port(port, protocol), verdicts.Contains("denied") ? "denied" : verdicts.Contains("audited") ? "audited" : "allowed", egress, ingress);
    });

    private static PolicyRow Row(StateWriter writer, PolicySpec policy)
    {
        string[] closed = [.. (policy.DeniesIngress ? (string[])["ingress"] : []), .. policy.DeniesEgress ? (string[])["egress"] : []];
        Port[] ports = writer.Current.Ports;
        return new PolicyRow(
            policy.Name, policy.Kind, policy.IsForNode ? $"node {policy.Subject.Text}".TrimEnd() : policy.Subject.Text, closed, policy.Rules.Count,
            [.. writer.PortsOf(policy).Select(p => ports[p].Name).Order(StringComparer.Ordinal)]);
    }

    /// <param name="isIpv4">Of an endpoint with two addresses, which one; null for the first.</param>
    private static (ExplainPeer Peer, IpcacheTarget Target) Peer(StateWriter writer, string text, string field, bool? isIpv4 = null)
    {
        if (!IpAddress.TryParse(text, out IpAddress address))
        {
            if (!writer.Desired.Endpoints.TryGetValue(text, out EndpointSpec? endpoint))
            {
                throw new ControlException(ErrorCode.NotFound, $"{field}: '{text}' is neither an address nor an endpoint of this node; cmesh endpoint list shows them");
            }

            address = endpoint.Addresses.Select(a => (IpAddress?)a).FirstOrDefault(a => isIpv4 is null || a!.Value.IsIpv4 == isIpv4)
                ?? throw new ControlException(ErrorCode.InvalidParams, $"{field}: {text} has no IPv{(isIpv4 == true ? 4 : 6)} address");
        }

        if (isIpv4 is bool wanted && address.IsIpv4 != wanted)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"{field}: {address} is of another family than the other end");
        }

        IpcacheTarget target = writer.Current.Ipcache.Lookup(address);
        return (new ExplainPeer(address.ToString(), target.Port >= 0 ? writer.Current.Ports[target.Port]?.Name ?? "" : "", target.Identity, writer.LabelsOf(target.Identity)), target);
    }

    private ExplainSide? Side(StateWriter writer, in IpcacheTarget end, bool isIngress, uint peer, IpProtocol protocol, ushort port)
    {
        if (end.Port < 0)
        {
            return null;
        }

        if (writer.Explain(end.Port, isIngress, peer, protocol, port) is not { } side)
        {
            return new ExplainSide("allowed", "all", "no policy selects it", []);
        }

        bool isAllowed = side.Decision.Kind == PolicyDecisionKind.Allow;
        (PolicySpec Policy, PolicyRuleSpec Rule)? first = side.Matching.Count > 0 ? side.Matching[0] : null;
        string reason = (side.Decision.Kind, first) switch
        {
            (PolicyDecisionKind.Deny, { } rule) => $"a deny rule of {rule.Policy.Name} matches, and deny wins ({(byte)DropReason.PolicyDeny} {DropReasons.TextOf(DropReason.PolicyDeny)})",
            (PolicyDecisionKind.Allow, { } rule) => $"a rule of {rule.Policy.Name} allows it, and none denies it",
            (PolicyDecisionKind.Allow, null) => $"no policy closes its {(isIngress ? "ingress" : "egress")}",
            _ => $"its {(isIngress ? "ingress" : "egress")} is closed, and no rule allows it ({(byte)DropReason.PolicyDenied} {DropReasons.TextOf(DropReason.PolicyDenied)})",
        };
        return new ExplainSide(
            isAllowed ? "allowed" : node.Local.Policy.IsAudit ? "audited" : "denied", PolicyNames.Of(side.Decision.Match), reason,
            [.. side.Matching.Select(m => new ExplainRule(m.Policy.Name, m.Rule.IsDeny ? "deny" : "allow", PolicyNames.PeersOf(m.Rule), PolicyNames.PortsOf(m.Rule), m.Rule.Source))]);
    }
}
