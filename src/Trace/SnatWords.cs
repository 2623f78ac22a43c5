using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Why a packet leaves under the node's address, or under its own: the rules in SnatStage's order.</summary>
internal sealed class SnatWords(MeshNames names, Snapshot s)
{
    private readonly List<string> _remarks = [];

    public IReadOnlyList<string> Remarks => _remarks;

    public (string Lookup, string Result) Of(StageFacts facts, in PacketContext p, Verdict v)
    {
        const string Lookup = "masquerade rules";
        if (p.ServicePort != 0 && !p.IsReply && s.Ports[p.EgressPort].Kind != PortKind.Uplink)
        {
            return ("option of direct server return", v == Verdict.Drop ? StageWords.Dropped(p)
                : $"the client asked for {FlowKey.Endpoint(p.ServiceAddress, p.ServicePort)}: its answers go out under that name, past the node that balanced");
        }

        if (p.DirectReturn == DirectReturnRole.Balancer)
        {
            return (Lookup, "direct server return: keeps the client's address, and takes along in an option what the client asked for; the answer does not come back here");
        }

        if (s.Ports[p.EgressPort].Kind != PortKind.Uplink)
        {
            return (Lookup, "skipped: it stays on this node");
        }

        if (p.IsReply)
        {
            return (Lookup, "skipped: an answer keeps the address that was asked");
        }

        if (p.Status != ConntrackStatus.New)
        {
            return ("SNAT mapping of the flow", v == Verdict.Drop ? StageWords.Dropped(p) : p.IsSnat ? $"masqueraded since its first packet: source {FlowKey.Endpoint(p.Key.Source, p.Key.SourcePort)}" : "not masqueraded since its first packet");
        }

        string why = Why(facts, p);
        if (v == Verdict.Drop)
        {
            return (Lookup, $"masquerade: {why}; {StageWords.Dropped(p)}");
        }

        if (!p.IsSnat)
        {
            Notice(facts, p);
            return (Lookup, $"exempt: {why}");
        }

        NoticeMissingExemption(facts, p);
        string source = facts.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6
            ? string.Create(CultureInfo.InvariantCulture, $"{p.Key.Source}, id {p.Key.SourcePort | p.Key.DestinationPort}")
            : FlowKey.Endpoint(p.Key.Source, p.Key.SourcePort);
        return (Lookup, facts.Key.Source == p.Key.Source ? $"the node's own packet, its port kept apart from masqueraded flows': {source}" : $"masquerade: {why}; source becomes {source}");
    }

    /// <summary>How many mappings there can be.</summary>
    public (string Cause, string Advice) Exhausted(StageFacts facts, (int Count, int Capacity) table)
    {
        int ports = s.Masquerade.LastPort - s.Masquerade.FirstPort + 1;
        return table.Count >= table.Capacity
            ? (string.Create(CultureInfo.InvariantCulture, $"the SNAT table is full: all {table.Capacity} mappings are in use"), "Raise tables.snatEntries in the node file, or wait until flows end.")
            : (string.Create(
                    CultureInfo.InvariantCulture,
                    $"no port of {s.Masquerade.AddressFor(facts.Key.Destination.IsIpv4)} is free towards {FlowKey.Endpoint(facts.Key.Destination, facts.Key.DestinationPort)}: as many flows go there as it has ports ({ports})"),
                "Exempt the destination from masquerading if it can route pods (nonMasqueradeCIDRs), lower nodePortRange, or wait until flows end (cmesh nat list).");
    }

    /// <summary>Which rule decided.</summary>
    private string Why(StageFacts facts, in PacketContext p)
    {
        MasqueradeRules rules = s.Masquerade;
        IpAddress destination = facts.Key.Destination;
        IpAddress own = rules.AddressFor(destination.IsIpv4);
        if (own == default)
        {
            return $"the node has no {(destination.IsIpv4 ? "IPv4" : "IPv6")} address to masquerade with";
        }

        if (facts.Key.Source == own)
        {
            return "it has the node's address already";
        }

        if (p.IsNodePort && p.IngressKind == PortKind.Uplink)
        {
            return "a service's client from outside, whose answer must come back through this node";
        }

        return !rules.IsEnabledFor(p.IsIpv4) ? rules.IsEnabled ? "masquerading of IPv6 is off" : "masquerading is off"
            : p.IngressKind != PortKind.Endpoint ? "only pods' packets are masqueraded"
            : Containing(names.Local.NativeRoutingCidrs, destination) is { } native ? $"{destination} is in ipv{(destination.IsIpv4 ? 4 : 6)}NativeRoutingCIDR {native}"
            : Containing(names.Writer.Desired.Masquerade.NonMasqueradeCidrs, destination) is { } exempt ? $"{destination} is in nonMasqueradeCIDRs {exempt}"
            : !rules.IncludesRemoteNodes && names.NodeAt(destination) is { } node ? $"{destination} is node {MeshNames.KeyOf(node)} of the mesh"
            : $"no rule exempts {destination} (ipv4NativeRoutingCIDR {List(names.Local.NativeRoutingCidrs)}; nonMasqueradeCIDRs {List(names.Writer.Desired.Masquerade.NonMasqueradeCidrs)})";
    }

    private void NoticeMissingExemption(StageFacts facts, in PacketContext p)
    {
        IpAddress destination = facts.Key.Destination;
        if (p.IngressKind == PortKind.Endpoint && !p.IsNodePort && (names.NodeOfPod(destination) is not null || names.BackendAt(destination) is not null))
        {
            string whose = names.Of(destination);
            string cidr = names.NodeOfPod(destination)?.PodCidrs.First(c => c.Contains(destination)).ToString() ?? destination.ToString();
            _remarks.Add(
                $"{destination} is {whose}, but no masquerade exemption contains it: it will see this node {p.Key.Source} instead of the pod {facts.Key.Source}. "
                + $"Add {cidr} or its cluster's pod CIDR to masquerade.nonMasqueradeCIDRs.");
        }
    }

    private void Notice(StageFacts facts, in PacketContext p)
    {
        IpAddress destination = facts.Key.Destination;
        if (p.IngressKind == PortKind.Endpoint && !s.Masquerade.IsEnabledFor(p.IsIpv4) && !names.IsMeshPod(destination) && names.NodeAt(destination) is null)
        {
            _remarks.Add(
                $"{(s.Masquerade.IsEnabled ? "masquerading of IPv6" : "masquerading")} is off, so {destination} sees the pod's own address {facts.Key.Source} and can answer only if its network routes that here. "
                + $"Set {(s.Masquerade.IsEnabled ? "flows.enableIPv6Masquerade" : "masquerade.enabled")}: true unless it does.");
        }
    }

    private static IpPrefix? Containing(IEnumerable<IpPrefix> prefixes, IpAddress address)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            if (prefix.IsIpv4 == address.IsIpv4 && prefix.Contains(address))
            {
                return prefix;
            }
        }

        return null;
    }

    private static string List(IReadOnlyCollection<IpPrefix> prefixes) => prefixes.Count switch
    {
        0 => "none",
        <= 4 => string.Join(", ", prefixes),
        _ => string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", prefixes.Take(3))} and {prefixes.Count - 3} more"),
    };
}
