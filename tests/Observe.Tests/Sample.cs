using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Tests;

/// <summary>The world of the walk-through in a few names, and events in it.</summary>
internal static class Sample
{
    public const uint CurlIdentity = 68211;
    public const uint WebIdentity = 133002;

    public static readonly DateTimeOffset Time = new(2026, 11, 23, 5, 2, 7, TimeSpan.Zero);

    public static readonly ObserverNode Node = new("west", "west-worker", "0.1.0") { Address = "172.18.0.3:4244", Labels = ["k8s:zone=a"] };

    public static readonly NameTable Names = NameTable.Empty
        .WithEndpoints(new Dictionary<IpPrefix, EndpointName?>
        {
            [IpPrefix.Parse("10.0.1.105/32")] = new()
            {
                Identity = CurlIdentity,
                Cluster = "west",
                Namespace = "default",
                Pod = "curl-pod",
                Labels = ["k8s:app=curl", "k8s:io.cilium.k8s.policy.cluster=west"],
            },
            [IpPrefix.Parse("10.1.1.2/32")] = new()
            {
                Identity = WebIdentity,
                Cluster = "east",
                Namespace = "shop",
                Pod = "webpod-x",
                Labels = ["k8s:app=webpod", "k8s:tier=front", "k8s:weight=7"],
                Workloads = [new("webpod", "Deployment")],
                HostNames = ["webpod-x.shop.example.org"],
            },
            [IpPrefix.Parse("172.18.0.0/16")] = new() { Identity = 6 },
            [IpPrefix.Parse("fd00:1::/64")] = new() { Identity = 133003, Cluster = "east", Namespace = "six", Pod = "v6-pod" },
        })
        .WithServices([KeyValuePair.Create(new ServiceAddress(IpAddress.Parse("10.2.33.10"), 80, IpProtocol.Tcp), (ServiceName?)new("default", "webpod"))])
        .WithInterfaces([KeyValuePair.Create(3u, (string?)"lxc-curl")]);

    public static long TimeOf(double seconds) => (Time.ToUnixTimeMilliseconds() + (long)(seconds * 1000)) * 1_000_000;

    /// <summary>curl-pod opens a connection to webpod-x of the other cluster.</summary>
    public static FlowRecord Syn(double seconds = 0) => new()
    {
        Time = TimeOf(seconds),
        Source = IpAddress.Parse("10.0.1.105"),
        Destination = IpAddress.Parse("10.1.1.2"),
        SourcePort = 60758,
        DestinationPort = 80,
        Protocol = IpProtocol.Tcp,
        TcpFlags = TcpFlags.Syn,
        EtherType = EtherType.Ipv4,
        SourceIdentity = CurlIdentity,
        DestinationIdentity = WebIdentity,
        SourceEndpoint = 12,
        Interface = 3,
        PacketLength = 60,
        PacketCount = 1,
        Kind = FlowEventKind.Trace,
        ObservationPoint = ObservationPoint.ToNetwork,
        Verdict = FlowVerdict.Forwarded,
        Direction = FlowDirection.Egress,
        Reply = FlowReply.No,
        TraceReason = FlowTraceReason.New,
    };

    public static FlowRecord SynAck(double seconds = 0) => Syn(seconds) with
    {
        Source = IpAddress.Parse("10.1.1.2"),
        Destination = IpAddress.Parse("10.0.1.105"),
        SourcePort = 80,
        DestinationPort = 60758,
        TcpFlags = TcpFlags.Syn | TcpFlags.Ack,
        SourceIdentity = WebIdentity,
        DestinationIdentity = CurlIdentity,
        SourceEndpoint = 0,
        DestinationEndpoint = 12,
        ObservationPoint = ObservationPoint.ToEndpoint,
        Direction = FlowDirection.Egress,
        Reply = FlowReply.Yes,
        TraceReason = FlowTraceReason.Reply,
    };

    public static FlowRecord Denied(double seconds = 0) => Syn(seconds) with
    {
        Kind = FlowEventKind.Drop,
        ObservationPoint = default,
        Verdict = FlowVerdict.Dropped,
        DropReason = (DropReason)133,
        Direction = FlowDirection.Ingress,
    };

    public static FlowRecord Ping(double seconds = 0) => Syn(seconds) with
    {
        Protocol = IpProtocol.Icmp,
        SourcePort = 0,
        DestinationPort = 0,
        TcpFlags = 0,
        IcmpType = 8,
    };

    public static FlowRecord ToService(double seconds = 0) => Syn(seconds) with
    {
        Destination = IpAddress.Parse("10.2.33.10"),
        DestinationIdentity = 0,
        ObservationPoint = ObservationPoint.FromEndpoint,
    };

    public static FlowRecord Ipv6(double seconds = 0) => Syn(seconds) with
    {
        Source = IpAddress.Parse("fd00:1::5"),
        Destination = IpAddress.Parse("2001:db8::1"),
        SourceIdentity = 0,
        DestinationIdentity = 0,
        Protocol = IpProtocol.Udp,
        EtherType = EtherType.Ipv6,
        SourcePort = 5353,
        DestinationPort = 53,
        TcpFlags = 0,
    };

    public static FlowRecord Vlan(double seconds = 0) => new()
    {
        Time = TimeOf(seconds),
        SourceMac = MacAddress.Parse("02:00:00:00:00:01"),
        DestinationMac = MacAddress.Parse("02:00:00:00:00:02"),
        Kind = FlowEventKind.Drop,
        Verdict = FlowVerdict.Dropped,
        DropReason = DropReason.Vlan,
    };

    public static ObservedFlow Observed(in FlowRecord record)
    {
        ObservedFlow flow = new(Node, 0x0102030405060708);
        flow.Load(new(record, Names, 0), 9);
        return flow;
    }

    public static FlowStore Store(int capacity = 64, TimeProvider? clock = null) => new(capacity, clock ?? new ManualClock()) { Names = Names };
}
