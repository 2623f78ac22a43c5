using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Came it through a tunnel that we have, from one who may send it? <see cref="Decapsulation"/> has taken the outer headers off already; a packet
/// that has them still is refused here, with the reason.
/// </summary>
public static class DecapStage
{
    public static Verdict Run(ref PacketContext p, RouteTable routes, TunnelTable? tunnels, MonoTime now)
    {
        if (tunnels is null || p.IngressKind != PortKind.Uplink)
        {
            return Verdict.Continue;
        }

        if (p.Tunnel.IsSet)
        {
            return IsOfSender(p, routes, tunnels) ? Verdict.Continue : p.Drop(DropReason.InvalidSource);
        }

        if (p.IsIcmpError)
        {
            UnderlayError.Learn(p, tunnels, now);
            return Verdict.Continue;
        }

        if (p.Key.Protocol != IpProtocol.Udp || p.Key.Destination != tunnels.Own || p.Key.DestinationPort != tunnels.Port)
        {
            return Verdict.Continue;
        }

        if (!p.HasTransport)
            return p.Drop(DropReason.FragmentsNotSupported); // RFC 7348 section 4.3: tunnelled frames are not fragmented.

        DropReason reason = Decapsulation.Read(p.Frame, p.Offload, tunnels, out _, out _, out _);
        return p.Drop(reason == DropReason.None ? DropReason.InvalidPacket : reason);
    }

    /// <summary>The source is a pod of the sending node, one of its own addresses, or one of the world's that the VNI does not call anything else.</summary>
    private static bool IsOfSender(in PacketContext p, RouteTable routes, TunnelTable tunnels)
    {
        // An ICMP error's key is that of the flow it complains of, which comes from the same node.
        IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip);
        IpAddress source = ip.Source;
        if (routes.TryLookup(source, out RouteTarget target, out _))
        {
            if (target.Tunnel != 0)
            {
                return target.Tunnel == p.Tunnel.Sender;
            }

            if (target.Kind is RouteKind.Endpoint or RouteKind.Host or RouteKind.Unreachable)
            {
                return false;
            }
        }

        return tunnels.Senders.TryLookup(source, out int owner) ? owner == p.Tunnel.Sender : NumericIdentity.IsWorld(p.Tunnel.Identity);
    }
}
