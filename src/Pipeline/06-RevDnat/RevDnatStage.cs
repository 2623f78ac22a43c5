using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The answer of a backend: shows the client the frontend that it spoke to. A hairpin's answer also gets the pod back for its destination.</summary>
public static class RevDnatStage
{
    public static Verdict Run(ref PacketContext p, ServiceTable services, ConntrackTable conntrack, SnatTable snat, MonoTime now)
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

        if (p.IsFirstReply)
        {
            NoteAnswer(target, conntrack, now);
        }

        return HeaderRewrite.Translate(ref p, target) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }

    /// <summary>The client's choice has led somewhere: from now on it does not give way in a full table (<see cref="ConntrackState.HasOnlyBegun"/>).</summary>
    private static void NoteAnswer(in FlowKey answer, ConntrackTable conntrack, MonoTime now)
    {
        int choice = conntrack.Find(answer.Reversed with { Scope = FlowScope.Service }, now);
        if (choice >= 0)
        {
            conntrack[choice].LastRx = now.Seconds;
        }
    }
}
