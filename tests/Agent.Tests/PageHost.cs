using System.Net;
using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Metrics;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Page;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>The page as the agent serves it, over a mesh of two clusters whose flows the test makes.</summary>
internal sealed class PageHost : IAsyncDisposable
{
    /// <summary>A pod's name as no API server would let it through, but another cluster's store may hold it.</summary>
    public const string Hostile = "<img src=x onerror=alert(1)>";

    private static readonly (string Address, string Cluster, string Namespace, string Pod, uint Identity)[] s_pods =
    [
        ("10.0.1.105", "west", "default", "curl-pod", 68_211), ("10.0.1.14", "west", "shop", "webpod-a", 71_002), ("10.1.1.2", "east", "shop", "webpod-b", 133_002),
        ("10.1.1.7", "east", "shop", "orders-0", 133_010), ("10.0.1.61", "west", "monitoring", "prometheus-0", 69_000), ("10.1.1.66", "east", "x", Hostile, 133_666),
    ];

    private readonly WebApplication _application;
    private ushort _port = 40_000;

    private PageHost(WebApplication application, FlowStore store)
    {
        (_application, Store) = (application, store);
    }

    public FlowStore Store { get; }

    public string Address => _application.Urls.Single();

    public static async Task<PageHost> StartAsync()
    {
        FlowStore store = new();
        store.Names = NameTable.Empty
            .WithEndpoints(s_pods.Select(p => KeyValuePair.Create(IpPrefix.Host(IpAddress.Parse(p.Address)), (EndpointName?)new EndpointName
            {
                Cluster = p.Cluster,
                Namespace = p.Namespace,
                Pod = p.Pod,
                Identity = p.Identity,
                Labels = [$"k8s:app={p.Pod.Split('-')[0]}"],
            })))
            .WithServices([KeyValuePair.Create(new ServiceAddress(IpAddress.Parse("10.2.0.10"), 80, IpProtocol.Tcp), (ServiceName?)new ServiceName("shop", "web"))]);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication application = builder.Build();
        application.MapPage(store, new ObserverNode("west", "west-worker", "1.0.0"), State, TimeProvider.System);
        await application.StartAsync();
        return new PageHost(application, store);
    }

    /// <summary>A connection to the service: its translation, the packet to the backend, the answer.</summary>
    public void Connect(string source, string backend)
    {
        FlowRecord syn = new()
        {
            Source = IpAddress.Parse(source),
            Destination = IpAddress.Parse("10.2.0.10"),
            SourcePort = ++_port,
            DestinationPort = 80,
            Protocol = IpProtocol.Tcp,
            TcpFlags = TcpFlags.Syn,
            Kind = FlowEventKind.Trace,
            Verdict = FlowVerdict.Translated,
            ObservationPoint = ObservationPoint.FromEndpoint,
            Reply = FlowReply.No,
            PacketLength = 60,
            PacketCount = 1,
            Time = Now,
        };
        FlowRecord onward = syn with { Destination = IpAddress.Parse(backend), DestinationPort = 8080, Verdict = FlowVerdict.Forwarded, ObservationPoint = ObservationPoint.ToNetwork, TraceReason = FlowTraceReason.New };
        FlowRecord answer = onward with
        {
            Source = onward.Destination,
            Destination = onward.Source,
            SourcePort = 8080,
            DestinationPort = _port,
            TcpFlags = TcpFlags.Syn | TcpFlags.Ack,
            ObservationPoint = ObservationPoint.ToEndpoint,
            Reply = FlowReply.Yes,
            TraceReason = FlowTraceReason.Reply,
        };
        Store.Add([syn, onward, answer]);
    }

    public void Drop(string source, string destination, ushort port, DropReason reason) => Store.Add(
    [
        new FlowRecord
        {
            Source = IpAddress.Parse(source), Destination = IpAddress.Parse(destination), SourcePort = ++_port, DestinationPort = port, Protocol = IpProtocol.Tcp, TcpFlags = TcpFlags.Syn,
            Kind = FlowEventKind.Drop, Verdict = FlowVerdict.Dropped, DropReason = reason, PacketLength = 60, PacketCount = 1, Time = Now,
        },
    ]);

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private static long Now => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;

    private static PageState State() => new()
    {
        Version = "1.0.0",
        Agent = new AgentState
        {
            Status = new AgentStatus
            {
                Cilium = new ComponentStatus("Ok"),
                Kvstore = new ComponentStatus("Ok"),
                RemoteClusters = [new RemoteCluster { Name = "east", IsReady = true, IsConnected = true, NodeCount = 2, EndpointCount = 4, SharedServiceCount = 1 }],
            },
            Nodes =
            [
                new AgentNode("west/west-control-plane", "172.18.0.4", null, null, null, "custom-resource"), new AgentNode("west/west-worker", "172.18.0.5", null, null, null, "local"),
                new AgentNode("east/east-control-plane", "172.18.0.2", null, null, null, "clustermesh"), new AgentNode("east/east-worker", "172.18.0.3", null, null, null, "clustermesh"),
            ],
            Addresses = [.. s_pods.Where(p => p.Pod != Hostile).Select(p => new AgentAddress($"{p.Address}/32", p.Identity, "k8s", "", p.Namespace, p.Pod))],
        },
        Metrics = new MetricsState
        {
            Tables = [new("ct4_global", 3_812, 65_536), new("snat_v4_external", 212, 65_536), new("neighbors", 6, 1_024)],
            WorkerBusyShares = new Dictionary<string, double> { ["worker-0"] = 0.31 },
            Forwarded = [new(0, FlowDirection.Egress, 1_284_511, 1_480_000_000)],
            Dropped = [new((byte)DropReason.PolicyDenied, FlowDirection.Unknown, 18, 1_080), new((byte)DropReason.NoBackend, FlowDirection.Unknown, 4, 240)],
        },
        Health = [new("west/west-control-plane", null, 0.211), new("west/west-worker", null, 0.035), new("east/east-control-plane", null, 0.42), new("east/east-worker", "ICMP to the node: no answer within 3 s", null)],
    };
}
