using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Forwarder.Tests;
using ClusterMesh.Datapath.Mesh.Certificates;
using ClusterMesh.Datapath.Observe;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Health;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Peers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Observe.Relay;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>The calls of the real command lines (hubble, hubble-relay, cilium-dbg, Prometheus), against the agent as a program with a forwarder and real packets.</summary>
public sealed partial class ObserveApiTests
{
    [Fact]
    public async Task Hubble_gets_from_the_agent_what_it_asks_for()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        using AgentProcess agent = await AgentProcess.StartAsync(world);
        await ObserveTests.ReadyAsync(world, agent);
        string socket = Path.Combine(agent.Directory, "hubble.sock");
        using GrpcChannel channel = GrpcChannel.ForAddress("http://localhost", new() { HttpHandler = Unix(socket) });
        DateTime limit = DateTime.UtcNow.AddSeconds(30);

        // hubble status
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await new Health.HealthClient(channel).CheckAsync(new() { Service = "hubble.server.Observer" }, deadline: limit)).Status);
        Observer.ObserverClient observer = new(channel);
        ServerStatusResponse status = await observer.ServerStatusAsync(new(), deadline: limit);
        Assert.Equal(65_536ul, status.MaxFlows);
        Assert.True(status is { NumFlows: > 0, SeenFlows: > 0, UptimeNs: > 0 } && status.NumFlows <= status.SeenFlows, status.ToString());

        // hubble list nodes, hubble list namespaces
        Node node = Assert.Single((await observer.GetNodesAsync(new(), deadline: limit)).Nodes);
        Assert.Equal(("west/west-worker", NodeState.NodeConnected, $"unix://{socket}"), (node.Name, node.State, node.Address));
        Assert.Equal(["west/default", "west/shop"], (await observer.GetNamespacesAsync(new(), deadline: limit)).Namespaces.Select(n => $"{n.Cluster}/{n.Namespace_}"));

        // hubble observe, as it asks for compact lines
        GetFlowsRequest request = new()
        {
            Number = 20,
            Whitelist = { new FlowFilter { SourcePod = { "default/a" }, DestinationPod = { "shop/b" }, EventType = { new EventTypeFilter { Type = 4 } } } },
            FieldMask = new FieldMask
            {
                Paths =
                {
                    "time", "verdict", "ethernet", "IP", "l4", "source.identity", "source.namespace", "source.pod_name", "destination.identity", "destination.namespace",
                    "destination.pod_name", "Type", "node_name", "l7", "event_type", "source_service", "destination_service", "is_reply", "Summary", "ip_trace_id",
                },
            },
        };
        using AsyncServerStreamingCall<GetFlowsResponse> call = observer.GetFlows(request, deadline: limit);
        Flow[] flows = [.. (await call.ResponseStream.ReadAllAsync().ToListAsync()).Select(r => r.Flow)];
        Flow syn = flows.Last(f => f.L4.TCP is { DestinationPort: 8080, Flags.SYN: true });
        Assert.Equal(
            ("default", "a", "shop", "b", Verdict.Forwarded, FlowType.L3L4, 4, 0, false, "TCP Flags: SYN"),
            (syn.Source.Namespace, syn.Source.PodName, syn.Destination.Namespace, syn.Destination.PodName, syn.Verdict, syn.Type, syn.EventType.Type, syn.EventType.SubType, syn.IsReply, syn.Summary));
        Assert.True(syn.Source.Identity is > 65536 and < 131072, syn.ToString());
        Assert.NotEqual(syn.Source.Identity, syn.Destination.Identity);
        Assert.Equal(("10.0.1.11", "10.0.1.12"), (syn.IP.Source, syn.IP.Destination));
        Assert.Empty(syn.Source.Labels);

        // hubble observe -o jsonpb asks for all
        GetFlowsRequest whole = new() { Number = 1, Whitelist = { request.Whitelist } };
        using AsyncServerStreamingCall<GetFlowsResponse> wholeCall = observer.GetFlows(whole, deadline: limit);
        Flow flow = Assert.Single(await wholeCall.ResponseStream.ReadAllAsync().ToListAsync()).Flow;
        Assert.Contains("k8s:app=curl", flow.Source.Labels);
        Assert.Equal(("west", "west/west-worker", "default/b"), (flow.Source.ClusterName, flow.NodeName, flow.Interface.Name));
        Assert.Contains("zone=a", flow.NodeLabels);

        // hubble observe agent-events, debug-events
        using AsyncServerStreamingCall<GetAgentEventsResponse> agentEvents = observer.GetAgentEvents(new() { Number = 20 }, deadline: limit);
        Assert.Empty(await agentEvents.ResponseStream.ReadAllAsync().ToListAsync());
        using AsyncServerStreamingCall<GetDebugEventsResponse> debugEvents = observer.GetDebugEvents(new() { Number = 20 }, deadline: limit);
        Assert.Empty(await debugEvents.ResponseStream.ReadAllAsync().ToListAsync());

        // hubble watch peers, hubble-relay
        using AsyncServerStreamingCall<ChangeNotification> peers = new Peer.PeerClient(channel).Notify(new(), deadline: limit);
        Assert.True(await peers.ResponseStream.MoveNext());
        Assert.Equal(("west/west-worker", ChangeNotificationType.PeerAdded, null), (peers.ResponseStream.Current.Name, peers.ResponseStream.Current.Type, peers.ResponseStream.Current.Tls));

        // The same by our own command.
        Assert.Matches(@"^Healthcheck: Ok\nCurrent/Max Flows: \d+/65,536 \(0\.\d\d%\)\nFlows/s: \d+\.\d\d\nConnected Nodes: 1/1\n$", agent.Run("hubble status").Output);
        Assert.Equal("CLUSTER   NAMESPACE\nwest      default\nwest      shop\n", agent.Run("hubble list namespaces").Output);
        Assert.Matches(@"^NAME +STATUS +AGE +FLOWS/S +CURRENT/MAX-FLOWS\nwest/west-worker +Connected +\d+s +[\d.]+ +\d+/65536 \( +0\.\d\d%\)\n$", agent.Run("hubble list nodes").Output);
    }

    [Fact]
    public async Task Cilium_dbg_gets_its_lists_and_prometheus_its_page()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        int port = EtcdServer.FreePort();
        using AgentProcess agent = await AgentProcess.StartAsync(world, $"  metricsListen: 127.0.0.1:{port}");
        await ObserveTests.ReadyAsync(world, agent);
        using HttpClient client = new(Unix(Path.Combine(agent.Directory, "api.sock"))) { BaseAddress = new Uri("http://localhost") };

        JsonElement health = await GetAsync(client, "/v1/healthz");
        Assert.Equal("Ok", health.GetProperty("cilium").GetProperty("state").GetString());
        Assert.Equal(0, health.GetProperty("cluster-mesh").GetProperty("clusters").GetArrayLength());
        Assert.False(health.TryGetProperty("kube-proxy-replacement", out _));
        Assert.Equal(65_536, health.GetProperty("hubble").GetProperty("observer").GetProperty("max-flows").GetInt32());

        Assert.Equal(
            """{"id":N,"frontend-address":{"ip":"10.2.0.1","port":80,"protocol":"TCP","scope":"external"},"backend-addresses":[{"ip":"10.0.1.12","port":8080,"protocol":"TCP","state":"active","preferred":false}],"flags":{"type":"ClusterIP","namespace":"shop","name":"web","extTrafficPolicy":"Cluster","intTrafficPolicy":"Cluster"}}""",
            Numbers(Assert.Single((await GetAsync(client, "/v1/service")).EnumerateArray().ToArray()).GetProperty("status").GetProperty("realized")));
        Assert.Equal(
            """{"nodes-added":[{"name":"west/west-worker","primary-address":{"ipv4":{"enabled":true,"ip":"172.18.0.5","alloc-range":"10.0.1.0/24"}},"source":"local"}]}""",
            (await GetAsync(client, "/v1/cluster/nodes")).GetRawText());
        JsonElement[] endpoints = [.. (await GetAsync(client, "/v1/endpoint")).EnumerateArray()];
        Assert.Equal(["10.0.1.11", "10.0.1.12"], endpoints.Select(e => e.GetProperty("status").GetProperty("networking").GetProperty("addressing")[0].GetProperty("ipv4").GetString()));
        Assert.Equal("ready", endpoints[0].GetProperty("status").GetProperty("state").GetString());
        uint identity = endpoints[0].GetProperty("status").GetProperty("identity").GetProperty("id").GetUInt32();
        Assert.Contains((await GetAsync(client, "/v1/identity")).EnumerateArray(), i => i.GetProperty("id").GetUInt32() == identity);
        Assert.Contains("k8s:app=curl", (await GetAsync(client, $"/v1/identity/{identity}")).GetProperty("labels").EnumerateArray().Select(l => l.GetString()));
        Assert.Contains(
            $$$"""{"cidr":"10.0.1.11/32","identity":{{{identity}}},"hostIP":"172.18.0.5","encryptKey":0,"metadata":{"source":"k8s","namespace":"default","name":"a"}}""",
            (await GetAsync(client, "/v1/ip")).GetRawText());

        using HttpClient prometheus = new();
        string page = await prometheus.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"));
        foreach (string name in (string[])
            [
                "cilium_forward_count_total{direction=\"INGRESS\"}", "cilium_clustermesh_remote_clusters 0", "cilium_bpf_map_pressure{map_name=\"ct4_global\"}", "cilium_identity{type=\"cluster_local\"} 2",
                "hubble_flows_processed_total{", "hubble_lost_events_total{source=\"PERF_EVENT_RING_BUFFER\"} 0", "cmesh_packet_processing_seconds_bucket{le=\"+Inf\"}", "cmesh_flow_store_capacity 65536",
            ])
        {
            Assert.Contains("\n" + name, page);
        }

        // A share is of the time between two questions.
        string again = await prometheus.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"));
        Assert.Matches(@"cmesh_worker_busy_ratio\{worker=""worker-0""\} [01]?", again);
        string table = agent.Run("metrics -p remote_clusters$").Output;
        Assert.Equal("METRIC                               LABELS   VALUE\ncilium_clustermesh_remote_clusters            0\n", table);
        Assert.Contains("# TYPE cmesh_flow_store_capacity gauge\ncmesh_flow_store_capacity 65536\n", agent.Run("metrics -o prometheus -p ^cmesh").Output);
    }

    [Fact]
    public async Task A_relay_shows_the_nodes_it_knows_and_tcp_wants_certificates_of_the_authority()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        string file(string name) => Path.Combine(world.RunDirectory, name);
        using var ca = MeshCertificates.CreateCa(DateTimeOffset.UtcNow);
        MeshCertificates.Write(ca, file("ca.crt"), file("ca.key"));
        using (var server = MeshCertificates.CreateServer(ca, DateTimeOffset.UtcNow, addresses: [IPAddress.Loopback]))
        {
            MeshCertificates.Write(server, file("tls.crt"), file("tls.key"));
        }

        int port = EtcdServer.FreePort();
        string relay = Path.Combine(world.RunDirectory, "relay.sock");
        using AgentProcess agent = await AgentProcess.StartAsync(
            world, $"  listen: 127.0.0.1:{port}\n  tls: {{cert: {file("tls.crt")}, key: {file("tls.key")}, ca: {file("ca.crt")}}}\n  relay: {relay}");
        await ObserveTests.ReadyAsync(world, agent);
        string output = "";
        await Eventually.TrueAsync(() => (output = agent.Run($"hubble list nodes --server unix://{relay}").Output).Contains("west/west-worker   Connected", StringComparison.Ordinal), () => output);
        Assert.Contains(" [west/west-worker]: default/a:", agent.Run($"observe --print-node-name --server unix://{relay} --last 1 --to-service shop/web").Output);
        string tls = $"--server tls://127.0.0.1:{port} --tls-ca-cert-files {file("ca.crt")}";
        Assert.Contains("Healthcheck: Ok", agent.Run($"hubble status {tls} --tls-client-cert-file {file("tls.crt")} --tls-client-key-file {file("tls.key")}").Output);
        (int code, string refused) = agent.Run($"hubble status {tls}");
        Assert.Equal(1, code);
        Assert.Contains($"Error: tls://127.0.0.1:{port}: no observer answers there", refused);
        Assert.Equal(1, agent.Run($"hubble status --server 127.0.0.1:{port}").Code);
    }

    private static SocketsHttpHandler Unix(string path) => new()
    {
        ConnectCallback = async (_, cancellation) =>
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    private static async Task<JsonElement> GetAsync(HttpClient client, string path) => JsonDocument.Parse(await client.GetStringAsync(new Uri(path, UriKind.Relative))).RootElement;

    private static string Numbers(JsonElement element) => Id().Replace(element.GetRawText(), "\"id\":N");

    [GeneratedRegex(@"""id"":\d+")]
    private static partial Regex Id();
}
