using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Longest prefix of the destination that the packet has now; says by which port and towards whom it leaves.</summary>
public static class RouteStage
{
    public static Verdict Run(ref PacketContext p, RouteTable routes, ServiceOptions services, TunnelTable? tunnels)
    {
        // RFC 4291 section 2.5.6; and a hairpin whose service is gone would leak the loopback address.
        if ((!p.IsIpv4 && p.Key.Destination.IsLinkLocal) || p.Key.Destination == services.LoopbackIpv4)
            return p.Drop(DropReason.UnknownTarget);

        if (!routes.TryLookup(p.Key.Destination, out RouteTarget target, out int number))
            return p.Drop(DropReason.NoRoute, NoRouteDetail.NoPrefix);
        if (target.Kind == RouteKind.Unreachable)
            return p.Drop(DropReason.Unroutable);
        if (tunnels is not null && IsMisused(p, target, tunnels, out DropReason reason))
            return p.Drop(reason);

        p.Route = target;
        p.RouteTarget = number;
        p.EgressPort = target.Port;
        return Verdict.Continue;
    }

    /// <summary>Tunnels are the nodes' affair: a pod sends nothing to their port, and what came by one does not leave by one unless a frontend was asked.</summary>
    private static bool IsMisused(in PacketContext p, RouteTarget target, TunnelTable tunnels, out DropReason reason)
    {
        bool isProhibited = p.IngressKind == PortKind.Endpoint && p.Key.Protocol == IpProtocol.Udp && p.Key.DestinationPort == tunnels.Port && !p.IsIcmpError;
        reason = isProhibited ? DropReason.EncapsulationProhibited : DropReason.TunnelLoop;
        return isProhibited || (p.Tunnel.IsSet && target.Tunnel != 0 && !p.IsNodePort);
    }
}
