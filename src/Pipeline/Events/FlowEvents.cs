using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>
/// What a worker tells of its packets while somebody listens; there is none while nobody does. Records gather here in memory taken at start until
/// the worker has done with its burst and hands them on. Established flows are told of packet by packet only for
/// <see cref="FlowDetail.EveryPacket"/> (docs/decisions/0033). One owner: the worker.
/// </summary>
/// <param name="worker">Number of the worker.</param>
public sealed class FlowEvents(int worker)
{
    /// <summary>Records between two hand-overs: several for each frame of a burst. What goes beyond is lost and counted.</summary>
    public const int Capacity = 4 * Burst.MaxCount;

    private readonly FlowRecord[] _records = new FlowRecord[Capacity];
    private readonly byte _worker = (byte)worker;
    private int _count;

    /// <summary>Nanoseconds since 1970-01-01 UTC, for all that is told until it is set again.</summary>
    public long Time { get; set; }

    /// <summary>The most that any listener wants.</summary>
    public FlowDetail Detail { get; set; }

    /// <summary>Told since the last <see cref="Clear"/>, in order.</summary>
    public ReadOnlySpan<FlowRecord> Records => _records.AsSpan(0, _count);

    /// <summary>Records that found no room here.</summary>
    public ulong LostCount { get; private set; }

    public void Clear() => _count = 0;

    /// <summary>A packet has been through the stages.</summary>
    public void Tell(ref PacketContext p, Verdict verdict, Snapshot s)
    {
        TellPolicy(ref p, s, p.EgressPolicy, p.EgressMatch, FlowDirection.Egress);
        TellPolicy(ref p, s, p.IngressPolicy, p.IngressMatch, FlowDirection.Ingress);
        bool isDrop = verdict == Verdict.Drop;
        if (!isDrop && !HasLeft(p, verdict))
        {
            return; // An answer of our own, or a packet that will be taken again.
        }

        if (isDrop)
        {
            Add(Describe(ref p, s, isForwarded: false) with { Kind = FlowEventKind.Drop, Verdict = FlowVerdict.Dropped, DropReason = p.Reason, ReasonDetail = p.ReasonDetail });
            return;
        }

        FlowDetail detail = IsChange(p) ? FlowDetail.Changes : FlowDetail.EveryPacket;
        if (detail > Detail)
        {
            return;
        }

        FlowRecord record = Describe(ref p, s, isForwarded: true) with { Kind = FlowEventKind.Trace, Verdict = FlowVerdict.Forwarded, Detail = detail };
        if (p.Status == ConntrackStatus.New && IsToFrontend(p))
        {
            Add(record with
            {
                Destination = p.ReceivedKey.Destination,
                DestinationPort = p.ReceivedKey.DestinationPort,
                DestinationEndpoint = 0,
                DestinationIdentity = 0,
                TranslatedSource = default,
                ObservationPoint = p.Tunnel.IsSet ? ObservationPoint.FromOverlay : PointFrom(p.IngressKind),
                Interface = (uint)p.IngressPort + 1,
                Verdict = FlowVerdict.Translated,
            });
        }

        Add(record);
    }

    /// <summary>A frame was dropped outside the stages: while it waited, or by the device.</summary>
    /// <param name="frame">From the Ethernet header on; read as far as it can be.</param>
    /// <param name="port">Where it was, -1 when that is not known.</param>
    public void TellDrop(Span<byte> frame, int port, DropReason reason, byte reasonDetail = 0) => Add(DescribeRaw(frame) with
    {
        Kind = FlowEventKind.Drop,
        Verdict = FlowVerdict.Dropped,
        DropReason = reason,
        ReasonDetail = reasonDetail,
        Interface = (uint)(port + 1),
    });

    /// <summary>What a policy decided about a flow's first packet, and about each that it denies.</summary>
    private void TellPolicy(ref PacketContext p, Snapshot s, FlowVerdict policy, PolicyMatch match, FlowDirection direction)
    {
        if (policy == FlowVerdict.Unknown || (p.Status != ConntrackStatus.New && policy != FlowVerdict.Dropped))
        {
            return;
        }

        Add(Describe(ref p, s, isForwarded: false) with
        {
            Kind = FlowEventKind.PolicyVerdict,
            Verdict = policy,
            PolicyMatch = match,
            Direction = direction,
            DropReason = policy == FlowVerdict.Dropped ? p.Reason : DropReason.None,
            DestinationEndpoint = direction == FlowDirection.Ingress ? (ushort)s.Ipcache.Lookup(p.FlowKey.Destination).Port : (ushort)0,
        });
    }

    /// <summary>It goes on its way, now or when the neighbour answers; what the datapath says itself has no flow.</summary>
    private static bool HasLeft(in PacketContext p, Verdict verdict) => verdict is Verdict.Transmit or Verdict.Held
        && p.FlowKey != default
        && (p.FlowIndex >= 0 || p.Status != ConntrackStatus.New || p.IsIcmpError);

    /// <summary>The flow's first packet, its first answer, one that opens or closes, an error about it.</summary>
    private static bool IsChange(in PacketContext p) => p.Status is ConntrackStatus.New or ConntrackStatus.Related
        || p.IsIcmpError
        || (p.TcpFlags & (TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst)) != 0
        || p.IsFirstReply;

    private static bool IsToFrontend(in PacketContext p) => !p.IsReply && p.RevNat != 0 && !p.IsIcmpError
        && (p.ReceivedKey.Destination != p.FlowKey.Destination || p.ReceivedKey.DestinationPort != p.FlowKey.DestinationPort);

    private static ObservationPoint PointFrom(PortKind kind) => kind switch
    {
        PortKind.Endpoint => ObservationPoint.FromEndpoint,
        PortKind.Host => ObservationPoint.FromHost,
        _ => ObservationPoint.FromNetwork,
    };

    private static ObservationPoint PointTo(PortKind kind) => kind switch
    {
        PortKind.Endpoint => ObservationPoint.ToEndpoint,
        PortKind.Host => ObservationPoint.ToHost,
        _ => ObservationPoint.ToNetwork,
    };

    /// <summary>Of the connection, seen from the pod that is nearer: the one it is delivered to, else the one it comes from.</summary>
    private static FlowDirection DirectionOf(in PacketContext p, bool isToEndpoint) => (isToEndpoint || p.IngressKind == PortKind.Uplink) != p.IsReply
        ? FlowDirection.Ingress
        : FlowDirection.Egress;

    private static FlowTraceReason ReasonOf(in PacketContext p) => p.Status switch
    {
        ConntrackStatus.Established => FlowTraceReason.Established,
        ConntrackStatus.Reply => FlowTraceReason.Reply,
        ConntrackStatus.Related => FlowTraceReason.Related,
        _ => p.IsIcmpError ? FlowTraceReason.Related : FlowTraceReason.New,
    };

    private FlowRecord Describe(ref PacketContext p, Snapshot s, bool isForwarded)
    {
        FlowKey key = p.FlowKey != default ? p.FlowKey : p.Key;
        if (key == default)
        {
            return DescribeRaw(p.Frame) with { Interface = (uint)p.IngressPort + 1 };
        }

        FlowRecord raw = DescribeRaw(p.InnerFrame);
        bool isKnown = p.FlowKey != default;
        bool isToEndpoint = isForwarded && s.Ports[p.EgressPort].Kind == PortKind.Endpoint;
        bool isRead = p.ReceivedKey != default;
        bool hasPorts = !p.IsIcmpError && key.Protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp;
        return raw with
        {
            // An error has addresses of its own; anything else is shown as its flow, between client and backend.
            Source = p.IsIcmpError ? raw.Source : key.Source,
            Destination = p.IsIcmpError ? raw.Destination : key.Destination,
            SourceIdentity = p.IsIcmpError ? 0 : p.SourceIdentity,
            DestinationIdentity = p.IsIcmpError ? 0 : p.DestinationIdentity,
            TranslatedSource = isForwarded && !p.IsIcmpError && !p.IsReply && p.IsSnat ? p.Key.Source : default,
            SourcePort = !isRead ? raw.SourcePort : hasPorts ? key.SourcePort : (ushort)0,
            DestinationPort = !isRead ? raw.DestinationPort : hasPorts ? key.DestinationPort : (ushort)0,
            Interface = (uint)(isForwarded ? p.EgressPort : p.IngressPort) + 1,
            PacketCount = SegmentsOf(p),
            SourceEndpoint = p.IngressKind == PortKind.Endpoint ? (ushort)p.IngressPort : (ushort)0,
            DestinationEndpoint = isToEndpoint ? (ushort)p.EgressPort : (ushort)0,
            TcpFlags = isRead ? p.TcpFlags : raw.TcpFlags,
            ObservationPoint = !isForwarded ? default : p.OuterLength > 0 ? ObservationPoint.ToOverlay : PointTo(s.Ports[p.EgressPort].Kind),
            Direction = DirectionOf(p, isToEndpoint),
            Reply = !isKnown || p.IsIcmpError ? FlowReply.Unknown : p.IsReply ? FlowReply.Yes : FlowReply.No,
            TraceReason = isKnown && isForwarded ? ReasonOf(p) : FlowTraceReason.Unknown,
        };
    }

    /// <summary>What the frame itself says, as far as its headers are whole.</summary>
    private FlowRecord DescribeRaw(Span<byte> frame)
    {
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet))
        {
            return new FlowRecord { Time = Time, Worker = _worker };
        }

        Span<byte> datagram = frame[EthernetHeader.Length..];
        var record = new FlowRecord
        {
            Time = Time,
            Worker = _worker,
            SourceMac = ethernet.Source,
            DestinationMac = ethernet.Destination,
            EtherType = ethernet.Type,
            PacketLength = (uint)datagram.Length,
            PacketCount = 1,
        };
        if (ethernet.Type is not (EtherType.Ipv4 or EtherType.Ipv6) || IpHeader.Parse(datagram, quoted: false, out IpHeader ip) != IpParseResult.Valid)
        {
            return record;
        }

        record = record with { Source = ip.Source, Destination = ip.Destination, Protocol = ip.Protocol, PacketLength = (uint)ip.TotalLength };
        if (ip.FragmentOffset != 0 || !TransportHeader.IsKnown(ip.Protocol)
            || !TransportHeader.TryParse(datagram[ip.HeaderLength..], ip.Protocol, fragment: true, out TransportHeader transport))
        {
            return record;
        }

        return transport.IsIcmp
            ? record with { IcmpType = transport.IcmpType, IcmpCode = transport.IcmpCode }
            : record with
            {
                SourcePort = transport.SourcePort,
                DestinationPort = transport.DestinationPort,
                TcpFlags = ip.Protocol == IpProtocol.Tcp ? transport.Flags : 0,
            };
    }

    /// <summary>Packets on a wire: of a super-packet, the segments that its payload makes.</summary>
    private static ushort SegmentsOf(in PacketContext p)
    {
        int length = p.FrameLength - p.OuterLength - EthernetHeader.Length - p.TransportOffset;
        return p.Offload is { IsSuperPacket: true, SegmentLength: > 0 } ? (ushort)Math.Min(ushort.MaxValue, (length + p.Offload.SegmentLength - 1) / p.Offload.SegmentLength) : (ushort)1;
    }

    private void Add(in FlowRecord record)
    {
        if (_count == Capacity)
        {
            LostCount++;
            return;
        }

        _records[_count++] = record;
    }
}
