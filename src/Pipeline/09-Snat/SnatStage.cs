using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What leaves to the node network gets the node's address for its source, unless exempt. Decided once a flow, at its first packet,
/// so that a change of the exemptions does not break the flows that are there. Runs last, on the packet as Service left it.
/// </summary>
public static class SnatStage
{
    private const byte LastUnreachableCode = 15;

    private enum Decision
    {
        /// <summary>Keeps its source.</summary>
        Exempt,

        /// <summary>Gets the node's address.</summary>
        Masquerade,

        /// <summary>Has the node's address already; only its port must not meet that of another flow.</summary>
        Track,
    }

    public static Verdict Run(ref PacketContext p, MasqueradeRules rules, Port[] ports, SnatTable snat, FlowRandom random, MonoTime now)
    {
        if (p.IsReply || ports[p.EgressPort].Kind != PortKind.Uplink)
        {
            return Verdict.Continue;
        }

        if (p.Status != ConntrackStatus.New)
        {
            return p.IsSnat ? Translate(ref p, snat, FindOrRestore(p, rules, snat, random, now)) : Verdict.Continue;
        }

        Decision decision = Decide(p, rules);
        if (decision == Decision.Exempt)
        {
            return Verdict.Continue;
        }

        if (p.IsIcmpError)
            return decision == Decision.Track ? Verdict.Continue : p.Drop(DropReason.NoSnatMapping);
        if (p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 && p.IcmpKind is not (IcmpKind.EchoRequest or IcmpKind.EchoReply))
            return decision == Decision.Track ? Verdict.Continue : p.Drop(DropReason.UnsupportedForSnat);

        p.IsSnat = true;
        return Translate(ref p, snat, FindOrRestore(p, rules, snat, random, now));
    }

    /// <summary>The order is Cilium's (bpf/lib/nat.h snat_v4_needs_masquerade), and matters: the first rule that fits decides.</summary>
    private static Decision Decide(in PacketContext p, MasqueradeRules rules)
    {
        IpAddress own = rules.AddressFor(p.IsIpv4);
        if (own == default)
        {
            return Decision.Exempt;
        }

        if (p.Key.Source == own)
        {
            bool canCollide = p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 || p.Key.SourcePort >= rules.FirstPort;
            return canCollide ? Decision.Track : Decision.Exempt;
        }

        // A NodePort's answer must come back through this node, whatever the masquerade rules say.
        if (p.IsNodePort && p.IngressKind == PortKind.Uplink)
        {
            return Decision.Masquerade;
        }

        IpAddress destination = p.Key.Destination;
        return !rules.IsEnabled
            || p.IngressKind != PortKind.Endpoint
            || rules.NativeRouting.TryLookup(destination, out _)
            || rules.NonMasquerade.TryLookup(destination, out _)
            || rules.RemoteNodes.TryLookup(destination, out _)
                ? Decision.Exempt
                : Decision.Masquerade;
    }

    private static int FindOrRestore(in PacketContext p, MasqueradeRules rules, SnatTable snat, FlowRandom random, MonoTime now)
    {
        int index = snat.FindForward(p.Key);
        return index >= 0 || p.IsIcmpError
            ? index
            : snat.Create(p.Key, rules.AddressFor(p.IsIpv4), rules.FirstPort, rules.LastPort, random, now);
    }

    private static Verdict Translate(ref PacketContext p, SnatTable snat, int index)
    {
        if (index < 0)
            return p.Drop(DropReason.NoSnatMapping);
        if (p.IsIcmpError && p.IsIpv4 && p.IcmpCode > LastUnreachableCode)
            return p.Drop(DropReason.UnknownIcmpCode);

        return HeaderRewrite.Translate(ref p, snat[index].Translated) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }
}
