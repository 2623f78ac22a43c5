using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// A packet for another node's pods goes there in a VXLAN tunnel whose VNI tells the sender's identity. The hop and the length are the inner packet's;
/// behind here the packet is one of this node's own to the other node.
/// </summary>
public static class EncapStage
{
    public static Verdict Run(ref PacketContext p, Port[] ports, TunnelTable? tunnels, IpcacheTable ipcache, MonoTime now)
    {
        if (p.Route.Tunnel == 0 || tunnels is null)
        {
            return Verdict.Continue;
        }

        if (tunnels.Endpoints[p.Route.Tunnel] is not { } endpoint || endpoint.NextHop == default)
            return p.Drop(DropReason.NoTunnelEndpoint);
        if (p.Offload.IsTunnelled)
            return p.Drop(DropReason.TunnelHeader); // A device says of one tunnel only how it is to be cut.

        Verdict verdict = TransmitStage.TakeHop(ref p, ports[p.EgressPort].Kind, tunnels.MtuTo(p.Route.Tunnel, now));
        if (verdict != Verdict.Continue)
        {
            return verdict;
        }

        VirtioNetHeader offload = p.Offload;
        p.FrameStart -= endpoint.Template.Length;
        p.FrameLength += endpoint.Template.Length;
        Encapsulation.Wrap(p.Frame, ref offload, tunnels, endpoint, TunnelTable.IdentityOf(ipcache, p.IngressKind, p.Tunnel, p.ReceivedKey.Source), p.Key);
        p.Offload = offload;
        p.OuterLength = endpoint.Template.Length;
        p.NextHop = endpoint.NextHop;
        return Verdict.Continue;
    }
}
