using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The answer of a backend: shows the client the frontend that it spoke to. A hairpin's answer also gets the pod back for its destination.</summary>
public static class RevDnatStage
{
    public static Verdict Run(ref PacketContext p, ServiceTable services, SnatTable snat)
    {
        if (p.IsReply && p.DirectReturn == DirectReturnRole.Backend)
            return DirectReturn.Answer(ref p, snat);

        if (!p.IsReply || p.RevNat == 0 || !services.TryGet(p.RevNat, out Frontend? frontend))
        {
            return Verdict.Continue;
        }

        FlowKey target = p.Key with { Source = frontend!.Address, SourcePort = frontend.Port };
        if (p.IsHairpin)
        {
            target = target with { Destination = p.Key.Source };
        }

        return HeaderRewrite.Translate(ref p, target) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }
}
