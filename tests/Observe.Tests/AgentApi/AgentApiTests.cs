using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Tests.AgentApi;

/// <summary>The requests of `cilium-dbg`, and the JSON that it reads, word for word.</summary>
public sealed class AgentApiTests
{
    private static readonly AgentIdentity s_curl = new(68211, ["k8s:app=curl", "k8s:io.cilium.k8s.policy.cluster=west", "k8s:io.kubernetes.pod.namespace=default"]);

    private static readonly AgentState s_state = new()
    {
        Status = new()
        {
            Cilium = new("Ok", "0.1.0"),
            Kvstore = new("Ok", "etcd: 1/1 connected"),
            NodeName = "west/west-worker",
            AddressAllocation = "IPv4: 2/254 allocated from 10.0.1.0/24, ",
            AllocatedAddresses = new Dictionary<string, string> { ["10.0.1.105"] = "default/curl-pod", ["10.0.1.1"] = "router" },
            GlobalServiceCount = 1,
            Masquerading = new(true, false, true, "10.0.0.0/8"),
            Flows = new(10, 65_536, 20, 0, 0, TimeSpan.FromSeconds(90.5), 2),
            RemoteClusters =
            [
                new()
                {
                    Name = "east",
                    IsReady = true,
                    IsConnected = true,
                    NodeCount = 2,
                    EndpointCount = 4,
                    IdentityCount = 3,
                    SharedServiceCount = 1,
                    FailureCount = 1,
                    LastFailure = new(2026, 11, 23, 5, 2, 7, TimeSpan.Zero),
                    Status = "etcd: 1/1 connected, leases=0, lock leases=0, has-quorum=true: endpoint status checks are disabled, ID: c6ba18866da7dfd8",
                    Configuration = new(true, true, 2, false, true, false),
                    Synced = new(true, true, true, true, null),
                },
                new() { Name = "south", Status = "Waiting for initial connection to be established" },
            ],
        },
        Services =
        [
            new()
            {
                Id = 7,
                Address = IpAddress.Parse("10.2.33.10"),
                Port = 80,
                Namespace = "default",
                Name = "webpod",
                Backends =
                [
                    new(IpAddress.Parse("10.0.1.14"), 80, IpProtocol.Tcp),
                    new(IpAddress.Parse("10.1.1.2"), 80, IpProtocol.Tcp, IsPreferred: true, NodeName: "east/east-worker"),
                ],
            },
            new() { Id = 8, Address = IpAddress.Parse("fd00::1"), Port = 53, Protocol = IpProtocol.Udp, Type = "NodePort", Cluster = "east", IsInternal = true, Name = "dns" },
        ],
        Nodes =
        [
            new("west/west-worker", "172.18.0.3", "10.0.1.0/24", null, null, "local"),
            new("east/east-worker", "172.18.0.5", "10.1.1.0/24", "fd00::5", "fd00:1::/64", "clustermesh"),
        ],
        Endpoints = [new() { Id = 12, Identity = s_curl, Namespace = "default", Pod = "curl-pod", Ipv4 = "10.0.1.105", Interface = "lxc-curl", InterfaceIndex = 3, Mac = "02:00:00:00:00:01" }],
        Identities = [new(1, ["reserved:host"]), s_curl],
        Addresses = [new("10.0.1.105/32", 68211, "custom-resource", "172.18.0.3", "default", "curl-pod"), new("0.0.0.0/0", 2, "local")],
    };

    public static TheoryData<string, string, string> Requests { get; } = new()
    {
        {
            "status --verbose", "/v1/healthz",
            """
            {"cilium":{"state":"Ok","msg":"0.1.0"},"kvstore":{"state":"Ok","msg":"etcd: 1/1 connected"},"kubernetes":{"state":"Disabled"},"container-runtime":{"state":"Disabled"},
            "ipam":{"status":"IPv4: 2/254 allocated from 10.0.1.0/24, ","allocations":{"10.0.1.1":"router","10.0.1.105":"default/curl-pod"}},
            "cluster":{"self":"west/west-worker"},
            "cluster-mesh":{"clusters":[{"name":"east","ready":true,"connected":true,"num-nodes":2,"num-endpoints":4,"num-identities":3,"num-shared-services":1,"num-service-exports":0,
            "num-failures":1,"last-failure":"2026-11-23T05:02:07.000Z",
            "status":"etcd: 1/1 connected, leases=0, lock leases=0, has-quorum=true: endpoint status checks are disabled, ID: c6ba18866da7dfd8",
            "config":{"required":true,"retrieved":true,"cluster-id":2,"kvstoremesh":false,"sync-canaries":true,"service-exports-enabled":false},
            "synced":{"nodes":true,"endpoints":true,"identities":true,"services":true}},
            {"name":"south","ready":false,"connected":false,"num-nodes":0,"num-endpoints":0,"num-identities":0,"num-shared-services":0,"num-service-exports":0,
            "num-failures":0,"status":"Waiting for initial connection to be established"}],"num-global-services":1},
            "masquerading":{"enabled":true,"enabled-protocols":{"ipv4":true,"ipv6":false},"mode":"BPF","ip-masq-agent":true,"snat-exclusion-cidr-v4":"10.0.0.0/8"},
            "hubble":{"state":"Ok","observer":{"current-flows":10,"max-flows":65536,"seen-flows":20,"uptime":"90.5s"}}}
            """
        },
        {
            "service list --clustermesh-affinity", "/v1/service",
            """
            [{"spec":{"id":7,"frontend-address":{"ip":"10.2.33.10","port":80,"protocol":"TCP","scope":"external"},
            "backend-addresses":[{"ip":"10.0.1.14","port":80,"protocol":"TCP","state":"active","preferred":false},
            {"ip":"10.1.1.2","port":80,"protocol":"TCP","state":"active","preferred":true,"nodeName":"east/east-worker"}],
            "flags":{"type":"ClusterIP","namespace":"default","name":"webpod","extTrafficPolicy":"Cluster","intTrafficPolicy":"Cluster"}},
            "status":{"realized":{"id":7,"frontend-address":{"ip":"10.2.33.10","port":80,"protocol":"TCP","scope":"external"},
            "backend-addresses":[{"ip":"10.0.1.14","port":80,"protocol":"TCP","state":"active","preferred":false},
            {"ip":"10.1.1.2","port":80,"protocol":"TCP","state":"active","preferred":true,"nodeName":"east/east-worker"}],
            "flags":{"type":"ClusterIP","namespace":"default","name":"webpod","extTrafficPolicy":"Cluster","intTrafficPolicy":"Cluster"}}}},
            {"spec":{"id":8,"frontend-address":{"ip":"fd00::1","port":53,"protocol":"UDP","scope":"internal"},"backend-addresses":[],
            "flags":{"type":"NodePort","namespace":"","name":"dns","cluster":"east","extTrafficPolicy":"Cluster","intTrafficPolicy":"Cluster"}},
            "status":{"realized":{"id":8,"frontend-address":{"ip":"fd00::1","port":53,"protocol":"UDP","scope":"internal"},"backend-addresses":[],
            "flags":{"type":"NodePort","namespace":"","name":"dns","cluster":"east","extTrafficPolicy":"Cluster","intTrafficPolicy":"Cluster"}}}}]
            """
        },
        {
            "node list", "/v1/cluster/nodes",
            """
            {"nodes-added":[{"name":"west/west-worker","primary-address":{"ipv4":{"enabled":true,"ip":"172.18.0.3","alloc-range":"10.0.1.0/24"}},"source":"local"},
            {"name":"east/east-worker","primary-address":{"ipv4":{"enabled":true,"ip":"172.18.0.5","alloc-range":"10.1.1.0/24"},
            "ipv6":{"enabled":true,"ip":"fd00::5","alloc-range":"fd00:1::/64"}},"source":"clustermesh"}]}
            """
        },
        {
            "endpoint list", "/v1/endpoint",
            """
            [{"id":12,"status":{"state":"ready","external-identifiers":{"k8s-namespace":"default","k8s-pod-name":"curl-pod","pod-name":"default/curl-pod"},
            "identity":{"id":68211,"labels":["k8s:app=curl","k8s:io.cilium.k8s.policy.cluster=west","k8s:io.kubernetes.pod.namespace=default"]},
            "labels":{"security-relevant":["k8s:app=curl","k8s:io.cilium.k8s.policy.cluster=west","k8s:io.kubernetes.pod.namespace=default"]},
            "networking":{"addressing":[{"ipv4":"10.0.1.105"}],"interface-name":"lxc-curl","interface-index":3,"mac":"02:00:00:00:00:01"},
            "policy":{"realized":{"policy-enabled":"none"}}}}]
            """
        },
        {
            "identity list", "/v1/identity",
            """
            [{"id":1,"labels":["reserved:host"]},{"id":68211,"labels":["k8s:app=curl","k8s:io.cilium.k8s.policy.cluster=west","k8s:io.kubernetes.pod.namespace=default"]}]
            """
        },
        {
            "ip list", "/v1/ip",
            """
            [{"cidr":"10.0.1.105/32","identity":68211,"hostIP":"172.18.0.3","encryptKey":0,"metadata":{"source":"custom-resource","namespace":"default","name":"curl-pod"}},
            {"cidr":"0.0.0.0/0","identity":2,"encryptKey":0,"metadata":{"source":"local"}}]
            """
        },
        {
            "ip list, for each identity", "/v1/identity/68211",
            """
            {"id":68211,"labels":["k8s:app=curl","k8s:io.cilium.k8s.policy.cluster=west","k8s:io.kubernetes.pod.namespace=default"]}
            """
        },
        { "identity get of a reserved one", "/v1/identity/2", """{"id":2,"labels":["reserved:world"]}""" },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Requests_of_cilium_dbg(string command, string path, string expected)
    {
        await using RestHost host = await RestHost.StartAsync(application => application.MapAgentApi(() => s_state));
        using HttpResponseMessage response = await host.Client.GetAsync(path);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(expected.ReplaceLineEndings("") == body, $"{command}: {body}");
    }

    [Theory]
    [InlineData("/v1/identity/4711")]
    [InlineData("/v1/identity/x")]
    [InlineData("/v1/map")]
    public async Task What_is_not_there_is_not_found(string path)
    {
        await using RestHost host = await RestHost.StartAsync(application => application.MapAgentApi(() => s_state));
        using HttpResponseMessage response = await host.Client.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    // The command line crashes when it finds kube-proxy-replacement with nothing in it, or masquerading without its protocols.
    [Fact]
    public async Task An_agent_that_knows_nothing_yet_does_not_break_the_command_line()
    {
        AgentState empty = new() { Status = new() { Cilium = new("Failure", "starting") } };
        await using RestHost host = await RestHost.StartAsync(application => application.MapAgentApi(() => empty));
        JsonNode status = JsonNode.Parse(await host.Client.GetStringAsync("/v1/healthz"))!;
        Assert.Null(status["kube-proxy-replacement"]);
        Assert.Equal(JsonValueKind.Object, status["masquerading"]!["enabled-protocols"]!.GetValueKind());
        Assert.Equal(JsonValueKind.Array, status["cluster-mesh"]!["clusters"]!.GetValueKind());
        Assert.Equal("Failure", status["cilium"]!["state"]!.GetValue<string>());
        Assert.Equal("[]", await host.Client.GetStringAsync("/v1/service"));
        Assert.Equal("""{"nodes-added":[]}""", await host.Client.GetStringAsync("/v1/cluster/nodes"));
    }
}
