using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using Google.Protobuf.WellKnownTypes;

namespace ClusterMesh.Datapath.Observe;

/// <summary>Events as messages of Hubble's API.</summary>
public static class FlowMessages
{
    private const long NanosecondsOfSecond = 1_000_000_000;

    public static Flow ToFlow(ObservedFlow flow)
    {
        ArgumentNullException.ThrowIfNull(flow);
        FlowRecord record = flow.Record;
        Flow message = new()
        {
            Time = ToTimestamp(record.Time),
            Uuid = flow.Uuid,
            Emitter = new() { Name = "ClusterMesh.Datapath", Version = flow.Node.Version },
            Verdict = (Verdict)record.Verdict,
            Type = FlowType.L3L4,
            NodeName = flow.Node.FullName,
            NodeLabels = { flow.Node.Labels },
            Source = ToEndpoint(flow.Source, flow.SourceIdentity, flow.SourceLabels, record.SourceEndpoint),
            Destination = ToEndpoint(flow.Destination, flow.DestinationIdentity, flow.DestinationLabels, record.DestinationEndpoint),
            EventType = new() { Type = (int)record.Kind, SubType = SubTypeOf(record) },
            TrafficDirection = (TrafficDirection)record.Direction,
            TraceReason = (TraceReason)record.TraceReason,
            Summary = FlowSummary.Of(record),
        };
        AddPacket(flow, record, message);
        AddDecision(record, message);
        message.SourceNames.Add(flow.Source?.HostNames ?? []);
        message.DestinationNames.Add(flow.Destination?.HostNames ?? []);
        message.SourceService = ToService(flow.SourceService);
        message.DestinationService = ToService(flow.DestinationService);
        if (record.Interface != 0)
        {
            message.Interface = new() { Index = record.Interface, Name = flow.InterfaceName };
        }

        if (record.TraceId != 0)
        {
            message.IpTraceId = new() { TraceId = record.TraceId };
        }

        return message;
    }

    /// <param name="time">Nanoseconds since 1970-01-01 UTC.</param>
    public static Timestamp ToTimestamp(long time) => new() { Seconds = time / NanosecondsOfSecond, Nanos = (int)(time % NanosecondsOfSecond) };

    /// <summary>Nanoseconds since 1970-01-01 UTC; at the ends of what 64 bits hold when the time lies outside.</summary>
    public static long ToNanoseconds(Timestamp time)
    {
        ArgumentNullException.ThrowIfNull(time);
        return (long)Int128.Clamp((Int128)time.Seconds * NanosecondsOfSecond + time.Nanos, long.MinValue, long.MaxValue);
    }

    /// <summary>The event's number under its type: observation point or drop reason.</summary>
    public static int SubTypeOf(in FlowRecord record) => record.Kind switch
    {
        FlowEventKind.Trace => (int)record.ObservationPoint,
        FlowEventKind.Drop => (int)record.DropReason,
        _ => 0,
    };

    public static TcpFlags ToFlags(TCPFlags flags)
    {
        ArgumentNullException.ThrowIfNull(flags);
        return (flags.FIN ? TcpFlags.Fin : 0) | (flags.SYN ? TcpFlags.Syn : 0) | (flags.RST ? TcpFlags.Rst : 0) | (flags.PSH ? TcpFlags.Psh : 0)
            | (flags.ACK ? TcpFlags.Ack : 0) | (flags.URG ? TcpFlags.Urg : 0) | (flags.ECE ? TcpFlags.Ece : 0) | (flags.CWR ? TcpFlags.Cwr : 0);
    }

    private static void AddPacket(ObservedFlow flow, in FlowRecord record, Flow message)
    {
        if (record.SourceMac.Value != 0 || record.DestinationMac.Value != 0)
        {
            message.Ethernet = new() { Source = record.SourceMac.ToString(), Destination = record.DestinationMac.ToString() };
        }

        if (!flow.IsIp)
        {
            return;
        }

        message.IP = new()
        {
            Source = record.Source.ToString(),
            Destination = record.Destination.ToString(),
            IpVersion = record.Source.IsIpv4 ? IPVersion.Ipv4 : IPVersion.Ipv6,
            SourceXlated = record.TranslatedSource == default ? "" : record.TranslatedSource.ToString(),
        };
        message.L4 = record.Protocol switch
        {
            IpProtocol.Tcp => new() { TCP = new() { SourcePort = record.SourcePort, DestinationPort = record.DestinationPort, Flags = FromFlags(record.TcpFlags) } },
            IpProtocol.Udp => new() { UDP = new() { SourcePort = record.SourcePort, DestinationPort = record.DestinationPort } },
            IpProtocol.Sctp => new() { SCTP = new() { SourcePort = record.SourcePort, DestinationPort = record.DestinationPort } },
            IpProtocol.Icmp => new() { ICMPv4 = new() { Type = record.IcmpType, Code = record.IcmpCode } },
            IpProtocol.Icmpv6 => new() { ICMPv6 = new() { Type = record.IcmpType, Code = record.IcmpCode } },
            _ => null,
        };
    }

    private static void AddDecision(in FlowRecord record, Flow message)
    {
        if (record.Reply != FlowReply.Unknown)
        {
            message.IsReply = record.Reply == FlowReply.Yes;
            message.Reply = record.Reply == FlowReply.Yes;
        }

        message.DropReason = (uint)record.DropReason;
        message.DropReasonDesc = (DropReason)record.DropReason;
        switch (record.Kind)
        {
            case FlowEventKind.Trace:
                message.TraceObservationPoint = record.ObservationPoint == ObservationPoint.ToEndpoint
                    ? TraceObservationPoint.ToEndpoint
                    : (TraceObservationPoint)record.ObservationPoint;
                break;
            case FlowEventKind.PolicyVerdict:
                message.PolicyMatchType = (uint)record.PolicyMatch;
                break;
        }
    }

    private static TCPFlags FromFlags(TcpFlags flags) => new()
    {
        FIN = flags.HasFlag(TcpFlags.Fin),
        SYN = flags.HasFlag(TcpFlags.Syn),
        RST = flags.HasFlag(TcpFlags.Rst),
        PSH = flags.HasFlag(TcpFlags.Psh),
        ACK = flags.HasFlag(TcpFlags.Ack),
        URG = flags.HasFlag(TcpFlags.Urg),
        ECE = flags.HasFlag(TcpFlags.Ece),
        CWR = flags.HasFlag(TcpFlags.Cwr),
    };

    private static Endpoint ToEndpoint(EndpointName? name, uint identity, IReadOnlyList<string> labels, ushort id)
    {
        Endpoint endpoint = new()
        {
            ID = id,
            Identity = identity,
            ClusterName = name?.Cluster ?? "",
            Namespace = name?.Namespace ?? "",
            PodName = name?.Pod ?? "",
            Labels = { labels },
        };
        endpoint.Workloads.Add((name?.Workloads ?? []).Select(workload => new Workload { Name = workload.Name, Kind = workload.Kind }));
        return endpoint;
    }

    private static Service? ToService(ServiceName? name) => name is null ? null : new() { Name = name.Name, Namespace = name.Namespace };
}
