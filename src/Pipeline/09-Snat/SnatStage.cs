using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What leaves to the node network gets the node's address for its source, unless exempt. Decided once a flow, at its first packet,
/// so that a change of the exemptions does not break the flows that are there. Runs last, on the packet as Service left it.
/// </summary>
public static class SnatStage
{
    private const byte LastUnreachableCode = 15;
    private const byte LastUnreachableCodeIpv6 = 6;
    private const byte LastExceededCode = 1;

    private enum Decision
    {
        /// <summary>Keeps its source.</summary>
        Exempt,

        /// <summary>Gets the node's address.</summary>
        Masquerade,

        /// <summary>Has the node's address already; only its port must not meet that of another flow.</summary>
        Track,
    }

    public static Verdict Run(ref PacketContext p, MasqueradeRules rules, Port[] ports, SnatTable snat, ConntrackTable conntrack, FlowRandom random, MonoTime now)
    {
        bool isUplink = ports[p.EgressPort].Kind == PortKind.Uplink;
        if (p.ServicePort != 0 && !p.IsReply && !isUplink)
            return DirectReturn.Record(ref p, snat, conntrack, now);

        if (p.IsReply || !isUplink)
        {
            return Verdict.Continue;
        }

        if (p.DirectReturn == DirectReturnRole.Wanted && !p.IsSnat)
        {
            p.DirectReturn = DirectReturnRole.Balancer; // Not a flow that was masqueraded before its frontend became one of direct return.
            return Verdict.Continue;
        }

        if (p.Status != ConntrackStatus.New)
        {
            return p.IsSnat ? Translate(ref p, snat, FindOrRestore(p, rules, snat, conntrack, random, now)) : Verdict.Continue;
        }

        Decision decision = Decide(p, rules);
        if (decision == Decision.Exempt)
        {
            return Verdict.Continue;
        }

        if (p.IsIcmpError)
            return decision == Decision.Track ? Verdict.Continue : p.Drop(DropReason.NoSnatMapping);
        if (p.IcmpKind == IcmpKind.EchoReply)
            return Verdict.Continue; // Of a request that nobody saw: it passes as it is, as with Cilium.
        if (p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 && p.IcmpKind != IcmpKind.EchoRequest)
            return decision == Decision.Track ? Verdict.Continue : p.Drop(DropReason.UnsupportedForSnat);

        p.IsSnat = true;
        return Translate(ref p, snat, FindOrRestore(p, rules, snat, conntrack, random, now));
    }

    /// <summary>The order is Cilium's (bpf/lib/nat.h snat_v4_needs_masquerade), and matters: the first rule that fits decides.</summary>
    private static Decision Decide(in PacketContext p, MasqueradeRules rules)
    {
        bool isTunnelled = p.Route.Tunnel != 0;
        IpAddress own = rules.AddressFor(p.IsIpv4, isTunnelled);
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
        return !rules.IsEnabledFor(p.IsIpv4)
            || isTunnelled
            || p.IngressKind != PortKind.Endpoint
            || rules.NativeRouting.TryLookup(destination, out _)
            || rules.NonMasquerade.TryLookup(destination, out _)
            || (!rules.IncludesRemoteNodes && rules.RemoteNodes.TryLookup(destination, out _))
                ? Decision.Exempt
                : Decision.Masquerade;
    }

    /// <summary>A mapping that was lost is made anew; so is one to an address that is the node's no more.</summary>
    private static int FindOrRestore(
        in PacketContext p, MasqueradeRules rules, SnatTable snat, ConntrackTable conntrack, FlowRandom random, MonoTime now)
    {
        IpAddress own = rules.AddressFor(p.IsIpv4, p.Route.Tunnel != 0);
        int index = snat.FindForward(p.Key);
        if (p.IsIcmpError || (index >= 0 && snat[index].NatAddress == own))
        {
            return index;
        }

        if (index >= 0)
        {
            snat.Remove(index, conntrack, now);
        }

        return snat.Create(p.Key, own, rules.FirstPort, rules.LastPort, conntrack, random, now);
    }

    private static Verdict Translate(ref PacketContext p, SnatTable snat, int index)
    {
        if (index < 0)
            return p.Drop(DropReason.NoSnatMapping);
        if (p.IsIcmpError && p.IcmpCode > LastCodeOf(p.IcmpType, p.IsIpv4))
            return p.Drop(p.IsIpv4 ? DropReason.UnknownIcmpCode : DropReason.UnknownIcmpv6Code);

        return HeaderRewrite.Translate(ref p, snat[index].Translated) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }

    /// <summary>The last assigned code of destination unreachable and time exceeded (bpf/lib/nat.h); the other errors pass with any.</summary>
    private static byte LastCodeOf(byte type, bool isIpv4) => (type, isIpv4) switch
    {
        (3, true) => LastUnreachableCode,
        (1, false) => LastUnreachableCodeIpv6,
        (11, true) or (3, false) => LastExceededCode,
        _ => byte.MaxValue,
    };
}
