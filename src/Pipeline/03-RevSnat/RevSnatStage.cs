using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The answer to a masqueraded flow: gives it back the destination that the flow's source really has.</summary>
public static class RevSnatStage
{
    public static Verdict Run(ref PacketContext p, MasqueradeRules rules, SnatTable snat, ConntrackTable conntrack, MonoTime now)
    {
        bool isIcmp = p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        if (p.IngressKind != PortKind.Uplink || !rules.IsOwn(p.Key.Destination) || (!isIcmp && p.Key.DestinationPort < rules.FirstPort))
        {
            return Verdict.Continue;
        }

        int index = snat.FindReverse(p.Key);
        int flow = index < 0 ? -1 : snat.FlowOf(index, conntrack, now);
        if (flow < 0)
        {
            return Verdict.Continue; // For the node itself, also on a port that a flow had which is over.
        }

        p.IsRevSnat = true;
        p.RevSnatFlow = flow;
        return HeaderRewrite.Translate(ref p, snat[index].Forward.Reversed) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }
}
