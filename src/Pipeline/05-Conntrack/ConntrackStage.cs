using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Which flow is this, and which way does the packet run? Sees the flow between client and backend: behind Service, before RevDnat.
/// A new flow is only recorded by <see cref="Confirm"/>, once it has a route and, where it needs one, an SNAT mapping.
/// </summary>
public static class ConntrackStage
{
    public static Verdict Run(ref PacketContext p, ConntrackTable conntrack, MonoTime now)
    {
        if (!TransportHeader.IsKnown(p.Key.Protocol))
            return p.Drop(DropReason.UnknownTransport);

        p.FlowKey = p.Key;
        FlowKey key = ConntrackTable.Ordered(p.Key, out bool swapped);
        int index = p.IsRevSnat && p.ChoiceIndex < 0 ? p.RevSnatFlow : conntrack.Find(key, now);
        if (index < 0)
        {
            return BeginFlow(ref p, conntrack, now);
        }

        ref ConntrackEntry entry = ref conntrack[index];
        bool isReply = swapped != ((entry.Flags & ConntrackFlags.ClientIsSecond) != 0);
        if (!p.IsIcmpError && IsNewFlow(p, entry, isReply))
        {
            return BeginFlow(ref p, conntrack, now);
        }

        conntrack.FoundCount++;
        p.FlowIndex = index;
        p.IsReply = isReply;
        p.Status = p.IsIcmpError ? ConntrackStatus.Related : isReply ? ConntrackStatus.Reply : ConntrackStatus.Established;
        p.IsSnat = (entry.Flags & ConntrackFlags.Snat) != 0;
        p.RevNat = entry.RevNat;
        p.IsHairpin = (entry.Flags & ConntrackFlags.LoopbackHairpin) != 0;
        p.IsNodePort = (entry.Flags & ConntrackFlags.NodePort) != 0;
        if ((entry.Flags & ConntrackFlags.DsrInternal) != 0)
        {
            p.DirectReturn = DirectReturnRole.Backend;
        }

        if (!p.IsIcmpError)
        {
            p.IsFirstReply = isReply && entry.LastRx == 0;
            ConntrackState.Update(ref entry, p.Key.Protocol, p.TcpFlags, isReply, p.FrameLength, now);
        }

        return Verdict.Continue;
    }

    /// <summary>Records a new flow with what the stages decided about it. Nothing for any other packet.</summary>
    public static Verdict Confirm(ref PacketContext p, ConntrackTable conntrack, MonoTime now)
    {
        if (p.Status != ConntrackStatus.New || p.IsIcmpError)
        {
            return Verdict.Continue;
        }

        if (p.DirectReturn == DirectReturnRole.Balancer)
        {
            ConfirmChoice(ref p, conntrack);
            return Verdict.Continue;
        }

        FlowKey key = ConntrackTable.Ordered(p.FlowKey, out bool swapped);
        int index = conntrack.Create(key, p.ChoiceIndex);
        if (index < 0)
            return p.Drop(DropReason.ConntrackFull);

        ref ConntrackEntry entry = ref conntrack[index];
        entry.RevNat = p.RevNat;
        entry.BackendId = p.BackendId;
        entry.SourceIdentity = p.SourceIdentity;
        entry.Flags |= (swapped ? ConntrackFlags.ClientIsSecond : 0)
            | (p.IngressKind == PortKind.Uplink ? ConntrackFlags.Inbound : 0)
            | (p.IsHairpin ? ConntrackFlags.LoopbackHairpin : 0)
            | (p.IsNodePort ? ConntrackFlags.NodePort : 0)
            | (p.IsSnat ? ConntrackFlags.Snat : 0)
            | (p.DirectReturn == DirectReturnRole.Backend ? ConntrackFlags.DsrInternal : 0);
        ConntrackState.Update(ref entry, key.Protocol, p.TcpFlags, isReply: false, p.FrameLength, now);
        conntrack.Sources?.Begin(ref entry);
        p.FlowIndex = index;
        return Verdict.Continue;
    }

    private static Verdict BeginFlow(ref PacketContext p, ConntrackTable conntrack, MonoTime now)
    {
        p.Status = ConntrackStatus.New;
        return p.IsIcmpError || p.IsAdmitted || conntrack.TryAdmit(ref p, now) ? Verdict.Continue : Verdict.Drop;
    }

    /// <summary>A flow whose answers do not come this way has no entry, as with Cilium: the client's choice is all that is known of it.</summary>
    private static void ConfirmChoice(ref PacketContext p, ConntrackTable conntrack)
    {
        p.FlowIndex = p.ChoiceIndex;
        if (conntrack[p.ChoiceIndex].Packets > 1)
        {
            conntrack.FoundCount++;
            p.Status = ConntrackStatus.Established;
        }
        else
        {
            conntrack.Sources?.Begin(ref conntrack[p.ChoiceIndex]);
        }
    }

    /// <summary>
    /// A SYN on a closed flow begins another one; so does a translated packet on a flow that was not translated, and one of direct server return on a flow
    /// that was not, or the other way round.
    /// </summary>
    private static bool IsNewFlow(in PacketContext p, in ConntrackEntry entry, bool isReply)
    {
        bool wasReturned = (entry.Flags & ConntrackFlags.DsrInternal) != 0;
        bool opens = p.Key.Protocol == IpProtocol.Tcp && (p.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack)) == TcpFlags.Syn;
        return (opens && (entry.Flags & ConntrackFlags.Closing) == ConntrackFlags.Closing)
            || (!isReply && p.RevNat != 0 && p.RevNat != entry.RevNat)
            || (!isReply && (p.ServicePort != 0 ? !wasReturned : opens && wasReturned));
    }
}
