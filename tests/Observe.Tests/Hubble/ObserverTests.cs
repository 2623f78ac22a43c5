using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Health;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Peers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Observe.Store;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace ClusterMesh.Datapath.Observe.Tests.Hubble;

/// <summary>The calls that the real command lines make, with the fields they set, against a host on a Unix socket.</summary>
public sealed class ObserverTests
{
    // What `hubble observe` asks for to print compact lines.
    private static readonly FieldMask s_compactMask = new()
    {
        Paths =
        {
            "time", "verdict", "ethernet", "IP", "l4", "source.identity", "source.namespace", "source.pod_name", "destination.identity", "destination.namespace",
            "destination.pod_name", "Type", "node_name", "l7", "event_type", "source_service", "destination_service", "is_reply", "Summary", "ip_trace_id",
        },
    };

    [Fact]
    public async Task Hubble_observe_gets_the_last_20()
    {
        FlowStore store = Sample.Store();
        store.Add([.. Enumerable.Range(0, 30).Select(i => Sample.Syn(i))]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        IReadOnlyList<GetFlowsResponse> all = await host.GetFlowsAsync(new() { Number = 20, FieldMask = s_compactMask });
        Assert.Equal(Enumerable.Range(10, 20).Select(i => Sample.Time.AddSeconds(i)), all.Select(response => response.Time.ToDateTimeOffset()));
        Assert.All(all, response => Assert.Equal("west/west-worker", response.NodeName));
        Assert.Equal(
            """
            {"time":"2026-11-23T05:02:17Z","verdict":"FORWARDED","IP":{"source":"10.0.1.105","destination":"10.1.1.2","ipVersion":"IPv4"},
            "l4":{"TCP":{"source_port":60758,"destination_port":80,"flags":{"SYN":true}}},"source":{"identity":68211,"namespace":"default","pod_name":"curl-pod"},
            "destination":{"identity":133002,"namespace":"shop","pod_name":"webpod-x"},"Type":"L3_L4","node_name":"west/west-worker","event_type":{"type":4,"sub_type":11},
            "is_reply":false,"Summary":"TCP Flags: SYN"}
            """.ReplaceLineEndings(""),
            Text(all[0].Flow));
    }

    [Fact]
    public async Task Hubble_observe_as_json_gets_every_field()
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.Denied(), Sample.SynAck(), Sample.ToService(), Sample.Vlan()]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        IReadOnlyList<GetFlowsResponse> all = await host.GetFlowsAsync(new() { Number = 20 });
        Flow denied = all[0].Flow;
        Assert.Equal((Verdict.Dropped, DropReason.PolicyDenied, 133u), (denied.Verdict, denied.DropReasonDesc, denied.DropReason));
        Assert.Equal((1, 133, TrafficDirection.Ingress), (denied.EventType.Type, denied.EventType.SubType, denied.TrafficDirection));
        Assert.Equal(("west", 12u, "k8s:app=curl"), (denied.Source.ClusterName, denied.Source.ID, denied.Source.Labels[0]));
        Assert.Equal(("webpod", "Deployment"), (denied.Destination.Workloads[0].Name, denied.Destination.Workloads[0].Kind));
        Assert.Equal((3u, "lxc-curl"), (denied.Interface.Index, denied.Interface.Name));
        Assert.Equal(["webpod-x.shop.example.org"], denied.DestinationNames);
        Flow answer = all[1].Flow;
        Assert.Equal((true, TraceObservationPoint.ToEndpoint, 0, TraceReason.Reply), (answer.IsReply!.Value, answer.TraceObservationPoint, answer.EventType.SubType, answer.TraceReason));
        Assert.Equal(("default", "webpod"), (all[2].Flow.DestinationService.Namespace, all[2].Flow.DestinationService.Name));
        Assert.Equal((2u, "reserved:world"), (all[2].Flow.Destination.Identity, all[2].Flow.Destination.Labels[0]));
        Flow vlan = all[3].Flow;
        Assert.Null(vlan.IP);
        Assert.Null(vlan.IsReply);
        Assert.Equal("02:00:00:00:00:01", vlan.Ethernet.Source);
        Assert.Equal(4, all.Select(response => response.Flow.Uuid).Distinct().Count());
    }

    // What the options of `hubble observe` become; the answer is the sub types of what comes.
    [Theory]
    [InlineData("--pod default/curl-pod", """{"number":"20","whitelist":[{"sourcePod":["default/curl-pod"]},{"destinationPod":["default/curl-pod"]}]}""", "5 11 133 0")]
    [InlineData("--namespace shop", """{"number":"20","whitelist":[{"sourcePod":["shop/"]},{"destinationPod":["shop/"]}]}""", "11 133 0")]
    [InlineData("--verdict DROPPED", """{"number":"20","whitelist":[{"verdict":["DROPPED"]}]}""", "133 182")]
    [InlineData("--not --verdict DROPPED", """{"number":"20","blacklist":[{"verdict":["DROPPED"]}]}""", "5 11 0")]
    [InlineData("--type trace:to-endpoint", """{"number":"20","whitelist":[{"eventType":[{"type":4,"matchSubType":true}]}]}""", "0")]
    [InlineData("--first 2", """{"number":"2","first":true}""", "5 11")]
    [InlineData("--last 2", """{"number":"2"}""", "0 182")]
    [InlineData("--since ... --until ...", """{"since":"2026-11-23T05:02:08Z","until":"2026-11-23T05:02:09Z"}""", "11 133")]
    [InlineData("--port 80 --protocol tcp", """{"number":"20","whitelist":[{"sourcePort":["80"],"protocol":["tcp"]},{"destinationPort":["80"],"protocol":["tcp"]}]}""", "5 11 133 0")]
    [InlineData("--to-service webpod", """{"number":"20","whitelist":[{"destinationService":["default/webpod"]}]}""", "5")]
    [InlineData("--node-name west/*", """{"number":"20","whitelist":[{"nodeName":["west/*"]}]}""", "5 11 133 0 182")]
    public async Task Options_of_hubble_observe(string options, string request, string expected)
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.ToService(0), Sample.Syn(1), Sample.Denied(2), Sample.SynAck(3), Sample.Vlan(4)]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        IReadOnlyList<GetFlowsResponse> all = await host.GetFlowsAsync(JsonParser.Default.Parse<GetFlowsRequest>(request));
        Assert.True(expected == string.Join(' ', all.Select(response => response.Flow.EventType.SubType)), $"{options}: {string.Join(' ', all)}");
    }

    [Fact]
    public async Task Hubble_observe_follow_gets_what_comes_and_what_was_lost()
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.Syn()]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        using AsyncServerStreamingCall<GetFlowsResponse> call = host.Observer.GetFlows(
            new() { Number = 20, Follow = true, FieldMask = s_compactMask }, deadline: DateTime.UtcNow.AddSeconds(30));
        Assert.Equal(60758u, (await NextAsync(call)).Flow.L4.TCP.SourcePort);
        store.AddLost(5, Sample.TimeOf(1));
        store.Add([Sample.SynAck(2)]);
        GetFlowsResponse lost = await NextAsync(call);
        Assert.Equal((5ul, LostEventSource.PerfEventRingBuffer), (lost.LostEvents.NumEventsLost, lost.LostEvents.Source));
        Assert.Equal("TCP Flags: SYN, ACK", (await NextAsync(call)).Flow.Summary);
    }

    [Fact]
    public async Task A_client_that_does_not_read_stops_only_itself()
    {
        FlowStore store = Sample.Store(capacity: 1000);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        using AsyncServerStreamingCall<GetFlowsResponse> sleeper = host.Observer.GetFlows(new() { Follow = true, Since = Timestamp.FromDateTimeOffset(Sample.Time) });
        store.Add([Sample.Syn()]);
        await NextAsync(sleeper);
        for (int i = 0; i < 200; i++) // more than the windows of HTTP/2 hold
        {
            store.Add([.. Enumerable.Range(0, 1000).Select(n => Sample.Syn(i * 1000 + n))]);
        }

        Assert.Equal(1000, (await host.GetFlowsAsync(new())).Count);
        ulong seen = 1;
        ulong lost = 0;
        while (seen + lost < 200_001)
        {
            GetFlowsResponse response = await NextAsync(sleeper);
            seen += response.Flow is null ? 0u : 1u;
            lost += response.LostEvents?.NumEventsLost ?? 0;
        }

        Assert.True(lost > 0);
        Assert.Equal(200_001ul, seen + lost);
    }

    [Theory]
    [InlineData("""{"first":true,"follow":true}""", "first and follow exclude each other")]
    [InlineData("""{"whitelist":[{"sourceIp":["x"]}]}""", "source_ip 'x' is neither an IP address nor a CIDR")]
    [InlineData("""{"fieldMask":"l4.sauce"}""", "field_mask: a flow has no field 'l4.sauce'")]
    public async Task Mistakes_are_refused_before_anything_is_sent(string request, string expected)
    {
        await using HubbleHost host = await HubbleHost.StartAsync(Sample.Store());
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => host.GetFlowsAsync(JsonParser.Default.Parse<GetFlowsRequest>(request)));
        Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
        Assert.Contains(expected, e.Status.Detail);
    }

    [Fact]
    public async Task Older_clients_put_the_mask_elsewhere()
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.Syn()]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        GetFlowsResponse response = Assert.Single(await host.GetFlowsAsync(new() { Experimental = new() { FieldMask = new() { Paths = { "verdict" } } } }));
        Assert.Equal("""{"verdict":"FORWARDED"}""", Text(response.Flow));
    }

    [Fact]
    public async Task Hubble_status_asks_health_and_then_the_server()
    {
        FlowStore store = Sample.Store(capacity: 2);
        store.Add([Sample.Syn(), Sample.Syn(), Sample.Syn()]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await host.Health.CheckAsync(new() { Service = "hubble.server.Observer" })).Status);
        ServerStatusResponse status = await host.Observer.ServerStatusAsync(new());
        Assert.Equal((2ul, 2ul, 3ul), (status.NumFlows, status.MaxFlows, status.SeenFlows));
        Assert.Equal((1u, 0u, "0.1.0"), (status.NumConnectedNodes!.Value, status.NumUnavailableNodes!.Value, status.Version));
        RpcException e = await Assert.ThrowsAsync<RpcException>(async () => await host.Health.CheckAsync(new() { Service = "no.such.Service" }));
        Assert.Equal(StatusCode.NotFound, e.StatusCode);
    }

    [Fact]
    public async Task Who_watches_health_is_told_of_the_end()
    {
        await using HubbleHost host = await HubbleHost.StartAsync(Sample.Store());
        using AsyncServerStreamingCall<HealthCheckResponse> watch = host.Health.Watch(new() { Service = "hubble.server.Observer" }, deadline: DateTime.UtcNow.AddSeconds(30));
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, watch.ResponseStream.Current.Status);
        using AsyncServerStreamingCall<HealthCheckResponse> other = host.Health.Watch(new() { Service = "x" }, deadline: DateTime.UtcNow.AddSeconds(30));
        Assert.True(await other.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.ServiceUnknown, other.ResponseStream.Current.Status);
        Task stopping = host.StopGentlyAsync();
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, watch.ResponseStream.Current.Status);
        await stopping;
    }

    [Fact]
    public async Task A_program_that_stops_does_not_wait_for_those_who_follow()
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.Syn()]);
        await using HubbleHost host = await HubbleHost.StartAsync(store);
        DateTime limit = DateTime.UtcNow.AddSeconds(60);
        using AsyncServerStreamingCall<GetFlowsResponse> flows = host.Observer.GetFlows(new() { Follow = true, Number = 1 }, deadline: limit);
        using AsyncServerStreamingCall<GetAgentEventsResponse> events = host.Observer.GetAgentEvents(new() { Follow = true }, deadline: limit);
        await NextAsync(flows);
        await host.StopGentlyAsync();
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => flows.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal((StatusCode.Unavailable, "the observer stops"), (e.StatusCode, e.Status.Detail));
    }

    [Fact]
    public async Task Hubble_list_nodes_and_namespaces()
    {
        FlowStore store = Sample.Store();
        store.Add([Sample.Syn(-4000), Sample.Ipv6(-3601), Sample.Syn(-10)]);
        await using HubbleHost host = await HubbleHost.StartAsync(store, clock: new ManualClock());
        Node node = Assert.Single((await host.Observer.GetNodesAsync(new())).Nodes);
        Assert.Equal(("west/west-worker", "172.18.0.3:4244", NodeState.NodeConnected, 3ul), (node.Name, node.Address, node.State, node.NumFlows));
        GetNamespacesResponse namespaces = await host.Observer.GetNamespacesAsync(new());
        Assert.Equal(["east/shop", "west/default"], namespaces.Namespaces.Select(found => $"{found.Cluster}/{found.Namespace_}"));
    }

    [Fact]
    public async Task Agent_and_debug_events_are_empty_streams()
    {
        await using HubbleHost host = await HubbleHost.StartAsync(Sample.Store());
        using AsyncServerStreamingCall<GetAgentEventsResponse> agent = host.Observer.GetAgentEvents(new() { Number = 20 }, deadline: DateTime.UtcNow.AddSeconds(30));
        Assert.False(await agent.ResponseStream.MoveNext(CancellationToken.None));
        using AsyncServerStreamingCall<GetDebugEventsResponse> debug = host.Observer.GetDebugEvents(new() { Number = 20 }, deadline: DateTime.UtcNow.AddSeconds(30));
        Assert.False(await debug.ResponseStream.MoveNext(CancellationToken.None));
    }

    [Fact]
    public async Task Hubble_watch_peers_gets_all_nodes_and_then_changes()
    {
        PeerList peers = new();
        peers.Set([new("west/a", "172.18.0.3:4244"), new("east/b", "172.18.0.5:4244", "b.east.hubble-grpc.cilium.io")]);
        await using HubbleHost host = await HubbleHost.StartAsync(Sample.Store(), peers: peers);
        using AsyncServerStreamingCall<ChangeNotification> call = host.Peers.Notify(new(), deadline: DateTime.UtcNow.AddSeconds(30));
        Assert.Equal("PeerAdded east/b 172.18.0.5:4244 b.east.hubble-grpc.cilium.io", await NextAsync(call));
        Assert.Equal("PeerAdded west/a 172.18.0.3:4244 ", await NextAsync(call));
        peers.Set([new("west/a", "172.18.0.33:4244"), new("west/c", "172.18.0.4:4244")]);
        Assert.Equal("PeerDeleted east/b 172.18.0.5:4244 b.east.hubble-grpc.cilium.io", await NextAsync(call));
        Assert.Equal("PeerUpdated west/a 172.18.0.33:4244 ", await NextAsync(call));
        Assert.Equal("PeerAdded west/c 172.18.0.4:4244 ", await NextAsync(call));

        static async Task<string> NextAsync(AsyncServerStreamingCall<ChangeNotification> call)
        {
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
            ChangeNotification change = call.ResponseStream.Current;
            return $"{change.Type} {change.Name} {change.Address} {change.Tls?.ServerName}";
        }
    }

    private static async Task<GetFlowsResponse> NextAsync(AsyncServerStreamingCall<GetFlowsResponse> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        return call.ResponseStream.Current;
    }

    private static string Text(Flow flow) =>
        System.Text.Json.Nodes.JsonNode.Parse(new JsonFormatter(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true)).Format(flow))!.ToJsonString();
}
