using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The answer to a masqueraded flow: gives it back the destination that the flow's source really has.</summary>
public static class RevSnatStage
{
    public static Verdict Run(ref PacketContext p, MasqueradeRules rules, SnatTable snat, ConntrackTable conntrack, MonoTime now)
    {
        if (p.IngressKind != PortKind.Uplink || !rules.IsOwn(p.Key.Destination))
        {
            return Verdict.Continue;
        }

        int index = snat.FindReverse(p.Key);
        if (index < 0 || !snat.IsAlive(index, conntrack, now))
        {
            return Verdict.Continue; // For the node itself, also on a port that a flow had which is over.
        }

        p.IsRevSnat = true;
        return HeaderRewrite.Translate(ref p, snat[index].Forward.Reversed) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }
}
