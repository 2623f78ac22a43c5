using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>
/// One flow event, as the forwarder hands it on and the agent keeps it: 128 bytes without references, in host order, so that a ring in
/// shared memory can carry it as it stands. A field whose meaning is not known for a packet is 0. Bytes 124 to 127 are 0 and kept for later;
/// whoever gives one of them a meaning, or changes any other, raises <see cref="CurrentVersion"/>. docs/observe.md has the table of offsets.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = Length)]
public readonly record struct FlowRecord
{
    /// <summary>Size of a record in bytes: two lines of the cache.</summary>
    public const int Length = 128;

    public const byte CurrentVersion = 2;

    public FlowRecord()
    {
        Version = CurrentVersion;
    }

    /// <summary>Of the packet as it was observed; unspecified (::) when it is no IP packet.</summary>
    [field: FieldOffset(0)]
    public IpAddress Source { get; init; }

    [field: FieldOffset(16)]
    public IpAddress Destination { get; init; }

    /// <summary>What the source becomes by masquerading; unspecified when it stays.</summary>
    [field: FieldOffset(32)]
    public IpAddress TranslatedSource { get; init; }

    /// <summary>Nanoseconds since 1970-01-01 UTC.</summary>
    [field: FieldOffset(48)]
    public long Time { get; init; }

    [field: FieldOffset(56)]
    public MacAddress SourceMac { get; init; }

    [field: FieldOffset(64)]
    public MacAddress DestinationMac { get; init; }

    /// <summary>A number that a test put into an IP option; 0 when there is none.</summary>
    [field: FieldOffset(72)]
    public ulong TraceId { get; init; }

    /// <summary>0 when the forwarder does not know it; the reader then asks its names.</summary>
    [field: FieldOffset(80)]
    public uint SourceIdentity { get; init; }

    [field: FieldOffset(84)]
    public uint DestinationIdentity { get; init; }

    /// <summary>The port on which the packet was observed: its number in the forwarder and one more; 0 when there is none.</summary>
    [field: FieldOffset(88)]
    public uint Interface { get; init; }

    /// <summary>Bytes of the IP packet; of a super-packet, before it is cut.</summary>
    [field: FieldOffset(92)]
    public uint PacketLength { get; init; }

    /// <summary>Packets that it is on a wire: 1, or the segments of a super-packet.</summary>
    [field: FieldOffset(96)]
    public ushort PacketCount { get; init; }

    [field: FieldOffset(98)]
    public EtherType EtherType { get; init; }

    /// <summary>Endpoint of this node; 0 when the address is elsewhere.</summary>
    [field: FieldOffset(100)]
    public ushort SourceEndpoint { get; init; }

    [field: FieldOffset(102)]
    public ushort DestinationEndpoint { get; init; }

    /// <summary>Of TCP, UDP and SCTP.</summary>
    [field: FieldOffset(104)]
    public ushort SourcePort { get; init; }

    [field: FieldOffset(106)]
    public ushort DestinationPort { get; init; }

    [field: FieldOffset(108)]
    public IpProtocol Protocol { get; init; }

    [field: FieldOffset(109)]
    public TcpFlags TcpFlags { get; init; }

    [field: FieldOffset(110)]
    public byte IcmpType { get; init; }

    [field: FieldOffset(111)]
    public byte IcmpCode { get; init; }

    /// <summary>A reader refuses a record whose version it does not know.</summary>
    [field: FieldOffset(112)]
    public byte Version { get; init; }

    [field: FieldOffset(113)]
    public FlowEventKind Kind { get; init; }

    [field: FieldOffset(114)]
    public FlowVerdict Verdict { get; init; }

    /// <summary>Of <see cref="FlowEventKind.Drop"/>, and of a policy verdict that denies.</summary>
    [field: FieldOffset(115)]
    public DropReason DropReason { get; init; }

    /// <summary>Of <see cref="FlowEventKind.Trace"/>.</summary>
    [field: FieldOffset(116)]
    public ObservationPoint ObservationPoint { get; init; }

    [field: FieldOffset(117)]
    public FlowDirection Direction { get; init; }

    [field: FieldOffset(118)]
    public FlowReply Reply { get; init; }

    /// <summary>Of <see cref="FlowEventKind.PolicyVerdict"/>: which kind of rule decided.</summary>
    [field: FieldOffset(119)]
    public PolicyMatch PolicyMatch { get; init; }

    /// <summary>What conntrack knew of the packet.</summary>
    [field: FieldOffset(120)]
    public FlowTraceReason TraceReason { get; init; }

    /// <summary>Of the workers of the forwarder, from 0.</summary>
    [field: FieldOffset(121)]
    public byte Worker { get; init; }

    /// <summary>Who wants to hear of it.</summary>
    [field: FieldOffset(122)]
    public FlowDetail Detail { get; init; }

    /// <summary>Second number of the drop reason, 0 when it has none.</summary>
    [field: FieldOffset(123)]
    public byte ReasonDetail { get; init; }
}
