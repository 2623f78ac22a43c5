using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// A packet for a frontend gets a backend for its destination: the one its flow has already, else that of its client's session, else one by the
/// service's algorithm (cilium bpf/lib/lb.h and nodeport.h are the behaviour followed). A pod that gets itself also gets the loopback address
/// for its source, so that its own stack does not take the packet for a forgery.
/// </summary>
public static class ServiceStage
{
    public static Verdict Run(ref PacketContext p, ServiceTable services, ConntrackTable conntrack, AffinityTable affinities, FlowRandom random, MonoTime now)
    {
        if (!ServiceTable.IsServed(p.Key.Protocol))
        {
            return Verdict.Continue;
        }

        if (!services.TryFind(p.Key.Destination, p.Key.DestinationPort, p.Key.Protocol, out Frontend? found))
        {
            return p.IngressKind == PortKind.Uplink && !p.IsIcmpError ? IsNoService(ref p, services) : Verdict.Continue;
        }

        Frontend frontend = p.IngressKind != PortKind.Uplink && found!.Internal is { } inner ? inner : found!;
        if (p.IngressKind == PortKind.Uplink)
        {
            if (frontend.Sources is { } sources && !sources.Admits(p.Key.Source))
                return p.Drop(DropReason.SourceRange);
            if (!frontend.IsRoutable)
                return p.Drop(DropReason.ClusterIp);
        }

        FlowKey choice = p.Key with { Scope = FlowScope.Service };
        int index = conntrack.Find(choice, now);
        if (!TryKeep(p, frontend, conntrack, index, out Backend backend))
        {
            if (p.IsIcmpError)
            {
                return Verdict.Continue; // An error about a flow that is gone; it chooses nothing.
            }

            if (frontend.Set.CandidateCount == 0)
                return p.Drop(DropReason.NoBackend, frontend.IsLocalOnly ? NoBackendDetail.NoneLocal : (byte)0);

            if (!conntrack.TryAdmit(ref p, now))
                return Verdict.Drop;

            backend = Choose(p, frontend, isKnown: IsOf(conntrack, index, frontend), affinities, random, now);
            index = conntrack.Create(choice);
            if (index < 0)
                return p.Drop(DropReason.ConntrackFull);
            Record(p, ref conntrack[index], frontend, backend);
        }

        if (!p.IsIcmpError)
        {
            ConntrackState.Update(ref conntrack[index], p.Key.Protocol, p.TcpFlags, isReply: false, p.FrameLength, now);
            if (frontend.AffinitySeconds > 0)
            {
                p.AffinityIndex = affinities.Use(frontend.Id, p.Key.Source, backend.Id, now, out uint generation);
                p.AffinityGeneration = generation;
            }
        }

        p.ChoiceIndex = index;
        p.DirectReturn = (conntrack[index].Flags & ConntrackFlags.DirectReturn) != 0 ? DirectReturnRole.Wanted : DirectReturnRole.None;
        return Translate(ref p, services.Options, frontend, backend);
    }

    /// <summary>A packet from the node network for no frontend. An address of services is nothing but its ports; a pod's may be a backend of another node's.</summary>
    private static Verdict IsNoService(ref PacketContext p, ServiceTable services)
    {
        if (services.HasWildcard(p.Key.Destination))
            return p.Drop(DropReason.NoBackend, NoBackendDetail.NoPort);

        if (services.Options.HasDirectReturn)
        {
            DirectReturn.Read(ref p);
        }

        return Verdict.Continue;
    }

    private static void Record(in PacketContext p, ref ConntrackEntry choice, Frontend frontend, in Backend backend)
    {
        choice.RevNat = frontend.Id;
        choice.BackendId = backend.Id;
        if (p.IngressKind == PortKind.Uplink && frontend.IsDirectReturn(p.Key.Protocol))
        {
            choice.Flags |= ConntrackFlags.DirectReturn;
        }
    }

    private static Verdict Translate(ref PacketContext p, ServiceOptions options, Frontend frontend, in Backend backend)
    {
        p.RevNat = frontend.Id;
        p.BackendId = backend.Id;
        p.IsNodePort = p.IngressKind == PortKind.Uplink;
        p.IsHairpin = p.IngressKind == PortKind.Endpoint && backend.Address == p.Key.Source;
        FlowKey target = p.Key with { Destination = backend.Address, DestinationPort = backend.Port };
        if (p.IsHairpin)
        {
            target = target with { Source = options.LoopbackFor(p.IsIpv4) };
        }

        return HeaderRewrite.Translate(ref p, target) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }

    /// <summary>
    /// The backend that this flow chose before, unless it has left the service, or is no longer active and the flow only begins. A closed
    /// choice is dead after its grace.
    /// </summary>
    private static bool TryKeep(in PacketContext p, Frontend frontend, ConntrackTable conntrack, int index, out Backend backend)
    {
        backend = default;
        if (!IsOf(conntrack, index, frontend) || !frontend.Set.TryGet(conntrack[index].BackendId, out backend))
        {
            return false;
        }

        bool begins = !p.IsIcmpError && (p.TcpFlags & TcpFlags.Syn) != 0;
        if (begins && backend.State != BackendState.Active)
        {
            return false;
        }

        ref ConntrackEntry entry = ref conntrack[index];
        if (begins && ConntrackState.IsClosed(entry))
        {
            entry.Flags &= ~(ConntrackFlags.Closing | ConntrackFlags.SeenNonSyn);
        }

        return true;
    }

    /// <summary>There is a choice, and it is one among this frontend's backends.</summary>
    private static bool IsOf(ConntrackTable conntrack, int index, Frontend frontend) => index >= 0 && conntrack[index].RevNat == frontend.Id;

    /// <summary>A backend for a flow that has none.</summary>
    /// <param name="isKnown">The flow had a backend, which is gone or going: its client's session is not asked then, since it would name the same.</param>
    private static Backend Choose(in PacketContext p, Frontend frontend, bool isKnown, AffinityTable affinities, FlowRandom random, MonoTime now)
    {
        if (frontend.AffinitySeconds > 0 && !isKnown && affinities.TryGetBackend(frontend, p.Key.Source, now, out Backend backend))
        {
            return backend;
        }

        BackendSet set = frontend.Set;
        return set.Candidate(set.Maglev is { } maglev
            ? maglev[maglev.IndexOf(p.Key, hasPort: frontend.AffinitySeconds == 0)]
            : (int)random.Below((uint)set.CandidateCount));
    }
}
