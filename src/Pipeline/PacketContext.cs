using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// One packet on its way through the stages: the frame, what Parse found in it, and what the stages decided. Lives on the worker's stack.
/// </summary>
public ref struct PacketContext
{
    /// <summary>Room in front of a received frame for headers that Encap adds, the virtio header included.</summary>
    public const int Headroom = 128;

    /// <summary>Bytes of a buffer that takes any frame: headroom, Ethernet and 64 KiB.</summary>
    public const int BufferLength = Headroom + EthernetHeader.Length + 65536;

    /// <param name="buffer">The whole buffer; the frame lies at <paramref name="frameStart"/>.</param>
    /// <param name="offload">The virtio header that came with the frame.</param>
    public PacketContext(Span<byte> buffer, int frameStart, int frameLength, scoped in VirtioNetHeader offload, int ingressPort)
    {
        Buffer = buffer;
        FrameStart = frameStart;
        FrameLength = frameLength;
        Offload = offload;
        IngressPort = ingressPort;
    }

    public Span<byte> Buffer { get; }

    public int FrameStart { get; set; }

    public int FrameLength { get; set; }

    public VirtioNetHeader Offload { get; set; }

    public int IngressPort { get; }

    public PortKind IngressKind { get; set; }

    public int EgressPort { get; set; }

    /// <summary>What the outer headers said that the frame came behind.</summary>
    public TunnelNote Tunnel { get; set; }

    /// <summary>Whose MAC address the frame leaves to, where that is neither the route's nor the destination: of a frame with outer headers.</summary>
    public IpAddress NextHop { get; set; }

    /// <summary>Bytes of the outer headers that Encap has put in front of the frame.</summary>
    public int OuterLength { get; set; }

    /// <summary>The frame without them.</summary>
    public readonly Span<byte> InnerFrame => Buffer.Slice(FrameStart + OuterLength, FrameLength - OuterLength);

    /// <summary>The frame from the Ethernet header on.</summary>
    public readonly Span<byte> Frame => Buffer.Slice(FrameStart, FrameLength);

    /// <summary>The IP datagram.</summary>
    public readonly Span<byte> Datagram => Buffer.Slice(FrameStart + EthernetHeader.Length, FrameLength - EthernetHeader.Length);

    /// <summary>From the IP header to the transport.</summary>
    public int TransportOffset { get; set; }

    public bool IsIpv4 { get; set; }

    /// <summary>False in fragments behind the first: the ports in <see cref="Key"/> then come from the first one.</summary>
    public bool HasTransport { get; set; }

    /// <summary>The packet is an ICMP error, and <see cref="Key"/> is that of the flow it complains of, in the error's direction.</summary>
    public bool IsIcmpError { get; set; }

    /// <summary>The flow as the stages have rewritten it so far; always what the headers say.</summary>
    public FlowKey Key { get; set; }

    /// <summary>The flow as the packet came in, before any translation.</summary>
    public FlowKey ReceivedKey { get; set; }

    public TcpFlags TcpFlags { get; set; }

    public IcmpKind IcmpKind { get; set; }

    /// <summary>Type of the ICMP message.</summary>
    public byte IcmpType { get; set; }

    /// <summary>Code of the ICMP message, whatever its type.</summary>
    public byte IcmpCode { get; set; }

    public ConntrackStatus Status { get; set; }

    /// <summary>The flow as conntrack keeps it: between client and backend, before SNAT.</summary>
    public FlowKey FlowKey { get; set; }

    /// <summary>Entry of the flow in the conntrack table, -1 when there is none.</summary>
    public int FlowIndex { get; set; }

    /// <summary>The packet runs from the flow's server to its client.</summary>
    public bool IsReply { get; set; }

    /// <summary>The flow's first packet from its server.</summary>
    public bool IsFirstReply { get; set; }

    /// <summary>Frontend that this packet was translated from; 0 when none.</summary>
    public uint RevNat { get; set; }

    public uint BackendId { get; set; }

    /// <summary>A pod reached itself through its service and got the loopback address as its source.</summary>
    public bool IsHairpin { get; set; }

    /// <summary>The packet came from the node network to a frontend, and its answer must go back that way.</summary>
    public bool IsNodePort { get; set; }

    /// <summary>What this node does for the packet's flow in direct server return.</summary>
    public DirectReturnRole DirectReturn { get; set; }

    /// <summary>What the packet's option of direct server return says that the client asked for; with port 0 it has none.</summary>
    public IpAddress ServiceAddress { get; set; }

    public ushort ServicePort { get; set; }

    /// <summary>The flow's source is translated by this node.</summary>
    public bool IsSnat { get; set; }

    /// <summary>The packet's source was asked whether it may begin a flow, and may.</summary>
    public bool IsAdmitted { get; set; }

    /// <summary>Identity of the flow's end that sent the packet; behind Policy.</summary>
    public uint SourceIdentity { get; set; }

    /// <summary>Identity of the end that it is for: of the backend, where a frontend was asked.</summary>
    public uint DestinationIdentity { get; set; }

    /// <summary>What the sender's policy said; Unknown when it was not asked.</summary>
    public FlowVerdict EgressPolicy { get; set; }

    public PolicyMatch EgressMatch { get; set; }

    /// <summary>What the receiver's policy said; Unknown when it was not asked.</summary>
    public FlowVerdict IngressPolicy { get; set; }

    public PolicyMatch IngressMatch { get; set; }

    public RouteTarget Route { get; set; }

    /// <summary>Number of <see cref="Route"/> in the route table.</summary>
    public int RouteTarget { get; set; }

    /// <summary>Entry of the client's choice of backend, -1 when no frontend is concerned.</summary>
    public int ChoiceIndex { get; set; }

    /// <summary>Entry of the client's session, -1 when the frontend has no session affinity.</summary>
    public int AffinityIndex { get; set; }

    public uint AffinityGeneration { get; set; }

    /// <summary>The packet is the answer to a masqueraded flow and has got its destination back.</summary>
    public bool IsRevSnat { get; set; }

    /// <summary>The conntrack entry of that flow: the packet's own, unless Service translates it once more.</summary>
    public int RevSnatFlow { get; set; }

    /// <summary>What all translations together changed in the checksums: addresses here, ports in <see cref="PortDelta"/>.</summary>
    public ChecksumDelta AddressDelta { get; set; }

    public ChecksumDelta PortDelta { get; set; }

    public DropReason Reason { get; set; }

    /// <summary>Second number of the reason, 0 when it has none.</summary>
    public byte ReasonDetail { get; set; }

    public Verdict Drop(DropReason reason, byte detail = 0)
    {
        Reason = reason;
        ReasonDetail = detail;
        return Verdict.Drop;
    }

    /// <summary>Sends what is in the buffer now back to where the packet came from.</summary>
    public Verdict Answer()
    {
        EgressPort = IngressPort;
        return Verdict.Transmit;
    }
}
