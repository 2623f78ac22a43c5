namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Longest prefix of the destination that the packet has now; says by which port and towards whom it leaves.</summary>
public static class RouteStage
{
    public static Verdict Run(ref PacketContext p, RouteTable routes, ServiceOptions services)
    {
        // RFC 4291 section 2.5.6; and a hairpin whose service is gone would leak the loopback address.
        if ((!p.IsIpv4 && p.Key.Destination.IsLinkLocal) || p.Key.Destination == services.LoopbackIpv4)
            return p.Drop(DropReason.UnknownTarget);

        if (!routes.TryLookup(p.Key.Destination, out RouteTarget target, out int number))
            return p.Drop(DropReason.NoRoute, NoRouteDetail.NoPrefix);
        if (target.Kind == RouteKind.Unreachable)
            return p.Drop(DropReason.Unroutable);

        p.Route = target;
        p.RouteTarget = number;
        p.EgressPort = target.Port;
        return Verdict.Continue;
    }
}
