using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// A packet for a frontend gets a backend for its destination: the one its flow has already, else one at random. A pod that gets
/// itself also gets the loopback address for its source, so that its own stack does not take the packet for a forgery.
/// </summary>
public static class ServiceStage
{
    /// <summary>Source of a pod that reaches itself (cilium defaults.go: 169.254.42.1).</summary>
    public static IpAddress LoopbackIpv4 { get; } = IpAddress.FromIpv4(0xA9FE_2A01);

    /// <summary>The same for IPv6: fe80::1.</summary>
    public static IpAddress LoopbackIpv6 { get; } = new(0xFE80_0000_0000_0000, 1);

    public static Verdict Run(ref PacketContext p, ServiceTable services, ConntrackTable conntrack, FlowRandom random, MonoTime now)
    {
        if (!services.TryFind(p.Key.Destination, p.Key.DestinationPort, p.Key.Protocol, out Frontend? frontend))
        {
            return Verdict.Continue;
        }

        // A ClusterIP is no address of the node network: who asks for it there has a route that leads astray.
        if (p.IngressKind == PortKind.Uplink && frontend!.Type == ServiceType.ClusterIP)
            return p.Drop(DropReason.ClusterIp);

        FlowKey choice = p.Key with { Scope = FlowScope.Service };
        int index = conntrack.Find(choice, now);
        if (!TryKeep(p, frontend!, conntrack, index, out Backend backend))
        {
            if (p.IsIcmpError)
            {
                return Verdict.Continue; // An error about a flow that is gone; it chooses nothing.
            }

            if (frontend!.Backends.Length == 0)
                return p.Drop(DropReason.NoBackend);

            backend = frontend.Backends[random.Below((uint)frontend.CandidateCount)];
            index = conntrack.Create(choice);
            if (index < 0)
                return p.Drop(DropReason.ConntrackFull);
            conntrack[index].RevNat = frontend.Id;
            conntrack[index].BackendId = backend.Id;
        }

        if (!p.IsIcmpError)
        {
            ConntrackState.Update(ref conntrack[index], p.Key.Protocol, p.TcpFlags, isReply: false, p.FrameLength, now);
        }

        p.ChoiceIndex = index;
        p.RevNat = frontend!.Id;
        p.BackendId = backend.Id;
        p.IsNodePort = frontend.Type == ServiceType.NodePort;
        p.IsHairpin = p.IngressKind == PortKind.Endpoint && backend.Address == p.Key.Source;
        FlowKey target = p.Key with { Destination = backend.Address, DestinationPort = backend.Port };
        if (p.IsHairpin)
        {
            target = target with { Source = p.IsIpv4 ? LoopbackIpv4 : LoopbackIpv6 };
        }

        return HeaderRewrite.Translate(ref p, target) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }

    /// <summary>
    /// The backend that this flow chose before, unless it has left the service, or is about to and the flow only begins. A closed
    /// choice is dead after its grace.
    /// </summary>
    private static bool TryKeep(in PacketContext p, Frontend frontend, ConntrackTable conntrack, int index, out Backend backend)
    {
        backend = default;
        if (index < 0 || conntrack[index].RevNat != frontend.Id || !frontend.TryGetBackend(conntrack[index].BackendId, out backend, out bool isCandidate))
        {
            return false;
        }

        bool begins = !p.IsIcmpError && (p.TcpFlags & TcpFlags.Syn) != 0;
        if (begins && !isCandidate)
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
}
