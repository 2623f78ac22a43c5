using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Direct server return, both ends of it (cilium bpf/lib/nodeport.h is the behaviour followed). The node that balances sends the packet on under the
/// client's address with <see cref="DsrOption"/>, of TCP the SYN only; the backend's node keeps what that says as long as the flow, leaves the
/// option in the packet, and answers the client in the service's name.
/// </summary>
public static class DirectReturn
{
    /// <summary>Bytes that the packet grows by before it leaves: those of the option, where it is due.</summary>
    public static int AddedLength(in PacketContext p) =>
        p.DirectReturn == DirectReturnRole.Balancer && !p.IsIcmpError && (p.Key.Protocol != IpProtocol.Tcp || (p.TcpFlags & TcpFlags.Syn) != 0)
            ? DsrOption.LengthOf(p.IsIpv4)
            : 0;

    /// <summary>The option fits into the header, and in front of the frame: what a linked forwarder sends lies where that says.</summary>
    public static bool HasRoom(in PacketContext p, int length) =>
        DsrOption.Fits(p.IsIpv4, p.TransportOffset) && p.FrameStart >= VirtioNetHeader.Length + length;

    /// <summary>At the backend's node: what the packet says of the service that its client asked for.</summary>
    public static void Read(ref PacketContext p)
    {
        int plainLength = p.IsIpv4 ? IpHeader.Ipv4Length : IpHeader.Ipv6Length;
        if (p.TransportOffset > plainLength && (p.Key.Protocol != IpProtocol.Tcp || (p.TcpFlags & TcpFlags.Syn) != 0)
            && DsrOption.TryRead(p.Datagram, p.IsIpv4, p.TransportOffset, out IpAddress address, out ushort port)
            && !address.IsMulticast && !address.IsBroadcast && !address.IsUnspecified && !address.IsLoopback)
        {
            p.ServiceAddress = address;
            p.ServicePort = port;
        }
    }

    /// <summary>At the backend's node: keeps it for the flow's answers, in place of what an earlier flow or packet said.</summary>
    public static Verdict Record(ref PacketContext p, SnatTable snat, ConntrackTable conntrack, MonoTime now)
    {
        FlowKey answer = p.Key.Reversed;
        int index = snat.FindForward(answer);
        if (index >= 0 && (!snat[index].IsReturn || snat[index].NatAddress != p.ServiceAddress || snat[index].NatPort != p.ServicePort))
        {
            snat.Remove(index, conntrack, now);
            index = -1;
        }

        if (index < 0 && snat.CreateReturn(answer, p.ServiceAddress, p.ServicePort, now) < 0)
            return p.Drop(DropReason.NoSnatMapping);

        if (index < 0 && p.FlowIndex >= 0)
        {
            conntrack.Renew(p.FlowIndex); // Its answers may have been remembered as going out as they are.
        }

        p.DirectReturn = DirectReturnRole.Backend;
        return Verdict.Continue;
    }

    /// <summary>At the backend's node: an answer goes out as the service's. One whose record is lost goes as it is, as with Cilium.</summary>
    public static Verdict Answer(ref PacketContext p, SnatTable snat)
    {
        int index = snat.FindForward(p.Key);
        return index < 0 || HeaderRewrite.Translate(ref p, snat[index].Translated) ? Verdict.Continue : p.Drop(DropReason.ChecksumNotCorrectable);
    }

    /// <summary>At the node that balances, before the packet leaves: writes the option into the room in front of the frame.</summary>
    public static void AddOption(ref PacketContext p, int length)
    {
        p.FrameStart -= length;
        p.FrameLength += length;
        p.TransportOffset += length;
        Span<byte> frame = p.Frame;
        frame.Slice(length, EthernetHeader.Length).CopyTo(frame);
        DsrOption.Insert(frame[EthernetHeader.Length..], p.ReceivedKey.Destination, p.ReceivedKey.DestinationPort);
        p.Offload = p.Offload.MovedBy(length);
    }
}
