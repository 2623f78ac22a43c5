using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Observe.Relay;
using ClusterMesh.Datapath.Observe.Store;
using Grpc.Core;

namespace ClusterMesh.Datapath.Observe.Tests.Hubble;

/// <summary>Several nodes behind one address.</summary>
public sealed class RelayTests : IAsyncLifetime
{
    private static readonly RelaySettings s_settings = new()
    {
        Version = "0.1.0",
        ConnectTimeout = TimeSpan.FromSeconds(5),
        SortDelay = TimeSpan.FromMilliseconds(200),
        RetryInterval = TimeSpan.FromMilliseconds(200),
    };

    private readonly FlowStore _west = Sample.Store(clock: TimeProvider.System);
    private readonly FlowStore _east = Sample.Store(clock: TimeProvider.System);
    private readonly PeerList _peers = new();
    private readonly List<HubbleHost> _hosts = [];
    private HubbleHost _relay = null!;
    private PeerNode _westPeer = null!;
    private PeerNode _eastPeer = null!;

    public async ValueTask InitializeAsync()
    {
        _hosts.Add(await HubbleHost.StartAsync(_west, new("west", "a", "0.1.0")));
        _hosts.Add(await HubbleHost.StartAsync(_east, new("east", "b", "0.1.0")));
        _westPeer = new("west/a", _hosts[0].Self.Address);
        _eastPeer = new("east/b", _hosts[1].Self.Address);
        _peers.Set([_westPeer, _eastPeer]);
        _relay = await HubbleHost.StartRelayAsync(_peers, s_settings);
    }

    public async ValueTask DisposeAsync()
    {
        await _relay.DisposeAsync();
        foreach (HubbleHost host in _hosts)
        {
            await host.DisposeAsync();
        }
    }

    [Fact]
    public async Task Streams_become_one_in_the_order_of_time()
    {
        _west.Add([.. Enumerable.Range(0, 50).Select(i => Sample.Syn(i * 3))]);
        _east.Add([.. Enumerable.Range(0, 50).Select(i => Sample.Syn(i * 2 + 0.5))]);
        IReadOnlyList<GetFlowsResponse> all = await _relay.GetFlowsAsync(new());
        Assert.Equal((NodeState.NodeConnected, "east/b west/a"), (all[0].NodeStatus.StateChange, string.Join(' ', all[0].NodeStatus.NodeNames)));
        Assert.Equal(101, all.Count);
        Assert.Equal(all.Skip(1).Select(response => response.Time).Order(), all.Skip(1).Select(response => response.Time));
        Assert.Equal(["west/a", "east/b", "east/b", "west/a"], all.Skip(1).Take(4).Select(response => response.NodeName));
    }

    [Fact]
    public async Task A_number_is_that_of_each_node()
    {
        _west.Add([.. Enumerable.Range(0, 50).Select(i => Sample.Syn(i))]);
        _east.Add([.. Enumerable.Range(0, 50).Select(i => Sample.Syn(i + 0.5))]);
        Assert.Equal(1 + 2 * 20, (await _relay.GetFlowsAsync(new() { Number = 20 })).Count);
        Assert.Equal(1 + 20, (await _relay.GetFlowsAsync(new() { Number = 20, Whitelist = { new Observe.Hubble.Flows.FlowFilter { NodeName = { "east/" } } } })).Count);
    }

    [Fact]
    public async Task A_node_that_does_not_answer_is_named()
    {
        _west.Add([Sample.Syn()]);
        _peers.Set([_westPeer, new("south/c", "unix:///nowhere/hubble.sock"), new("south/d", "nonsense")]);
        IReadOnlyList<GetFlowsResponse> all = await _relay.GetFlowsAsync(new());
        Assert.Equal((NodeState.NodeUnavailable, "south/c south/d"), (all[1].NodeStatus.StateChange, string.Join(' ', all[1].NodeStatus.NodeNames)));
        Assert.EndsWith("south/d: 'nonsense' is neither host:port nor unix:///path", all[1].NodeStatus.Message);
        Assert.Equal("west/a", all[2].NodeName);
        ServerStatusResponse status = await _relay.Observer.ServerStatusAsync(new());
        Assert.Equal((1u, 2u, "south/c south/d"), (status.NumConnectedNodes!.Value, status.NumUnavailableNodes!.Value, string.Join(' ', status.UnavailableNodes)));
        GetNodesResponse nodes = await _relay.Observer.GetNodesAsync(new());
        Assert.Equal(["south/c NodeUnavailable", "south/d NodeUnavailable", "west/a NodeConnected"], nodes.Nodes.Select(node => $"{node.Name} {node.State}"));
    }

    [Fact]
    public async Task A_node_that_takes_connections_and_says_nothing_is_unavailable()
    {
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        PeerList peers = new();
        peers.Set([_westPeer, new("south/c", silent.LocalEndpoint.ToString()!)]);
        _west.Add([Sample.Syn()]);
        await using HubbleHost relay = await HubbleHost.StartRelayAsync(peers, s_settings with { ConnectTimeout = TimeSpan.FromMilliseconds(500) });
        IReadOnlyList<GetFlowsResponse> all = await relay.GetFlowsAsync(new());
        Assert.Equal(
            [GetFlowsResponse.ResponseTypesOneofCase.NodeStatus, GetFlowsResponse.ResponseTypesOneofCase.NodeStatus, GetFlowsResponse.ResponseTypesOneofCase.Flow],
            all.Select(response => response.ResponseTypesCase));
        Assert.Equal("south/c", Assert.Single(all[1].NodeStatus.NodeNames));
        Assert.Equal("south/c: no answer within 0.5 s", all[1].NodeStatus.Message);
    }

    // As over a network: TCP, and a certificate that only this test's authority vouches for.
    [Fact]
    public async Task Nodes_may_speak_TLS()
    {
        const string Name = "c.south.hubble-grpc.cilium.io";
        using X509Certificate2 certificate = MakeCertificate(Name);
        FlowStore store = Sample.Store();
        store.Add([Sample.Syn()]);
        await using HubbleHost node = await HubbleHost.StartTlsAsync(store, certificate);
        IReadOnlyList<GetFlowsResponse> good = await ReadAsync(certificate, Name);
        Assert.True(good[^1].NodeName == "west/west-worker", good[^1].ToString());
        Assert.Equal(NodeState.NodeUnavailable, Assert.Single(await ReadAsync(certificate, "other.name")).NodeStatus.StateChange);
        using X509Certificate2 stranger = MakeCertificate(Name);
        Assert.Equal(NodeState.NodeUnavailable, Assert.Single(await ReadAsync(stranger, Name)).NodeStatus.StateChange);

        async Task<IReadOnlyList<GetFlowsResponse>> ReadAsync(X509Certificate2 trusted, string name)
        {
            PeerList peers = new();
            peers.Set([new("south/c", node.TcpAddress, name)]);
            await using HubbleHost relay = await HubbleHost.StartRelayAsync(peers, s_settings with { Tls = _ => Trusting(trusted) });
            return await relay.GetFlowsAsync(new());
        }
    }

    [Fact]
    public async Task Who_follows_sees_events_of_all_and_of_nodes_that_come_later()
    {
        _peers.Set([_westPeer]);
        using AsyncServerStreamingCall<GetFlowsResponse> call = _relay.Observer.GetFlows(new() { Follow = true, Number = 1 }, deadline: DateTime.UtcNow.AddSeconds(60));
        Assert.Equal("NodeConnected west/a", await NextAsync(call));
        _west.Add([Sample.Syn(1)]);
        Assert.Equal("west/a 1", await NextAsync(call));
        _peers.Set([_westPeer, _eastPeer]);
        Assert.Equal("NodeConnected east/b", await NextAsync(call));

        // The relay's stream from the node is known to stand only once an event has come through it.
        Task<string> next = NextAsync(call);
        for (int second = 2; !next.IsCompleted; second++)
        {
            _east.Add([Sample.Syn(second)]);
            await Task.WhenAny(next, Task.Delay(50));
        }

        Assert.StartsWith("east/b ", await next);
        _peers.Set([_eastPeer]);
        string gone;
        do
        {
            gone = await NextAsync(call);
        }
        while (gone.StartsWith("east/b ", StringComparison.Ordinal));
        Assert.Equal("NodeGone west/a", gone);
    }

    [Fact]
    public async Task A_node_that_breaks_down_is_named_and_the_others_go_on()
    {
        using AsyncServerStreamingCall<GetFlowsResponse> call = _relay.Observer.GetFlows(new() { Follow = true, Number = 1 }, deadline: DateTime.UtcNow.AddSeconds(60));
        Assert.Equal("NodeConnected east/b west/a", await NextAsync(call));
        _east.Add([Sample.Syn(1)]);
        Assert.Equal("east/b 1", await NextAsync(call));
        await _hosts[1].StopAsync();
        Assert.Equal("NodeError east/b", await NextAsync(call));
        _west.Add([Sample.Syn(2)]);
        Assert.Equal("west/a 2", await NextAsync(call));
    }

    [Fact]
    public async Task Sums_and_unions_are_over_all_nodes()
    {
        _west.Add([Sample.Syn((DateTimeOffset.UtcNow - Sample.Time).TotalSeconds)]);
        _east.Add([Sample.Ipv6((DateTimeOffset.UtcNow - Sample.Time).TotalSeconds), Sample.Syn((DateTimeOffset.UtcNow - Sample.Time).TotalSeconds)]);
        ServerStatusResponse status = await _relay.Observer.ServerStatusAsync(new());
        Assert.Equal((3ul, 128ul, 3ul, 2u), (status.NumFlows, status.MaxFlows, status.SeenFlows, status.NumConnectedNodes!.Value));
        GetNamespacesResponse namespaces = await _relay.Observer.GetNamespacesAsync(new());
        Assert.Equal(["east/shop", "east/six", "west/default"], namespaces.Namespaces.Select(found => $"{found.Cluster}/{found.Namespace_}"));
    }

    [Fact]
    public async Task A_mistake_is_told_once()
    {
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => _relay.GetFlowsAsync(new() { First = true, Follow = true }));
        Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
    }

    private static SslClientAuthenticationOptions Trusting(X509Certificate2 certificate) => new()
    {
        CertificateChainPolicy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { certificate }, RevocationMode = X509RevocationMode.NoCheck },
    };

    private static X509Certificate2 MakeCertificate(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=" + name, key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static async Task<string> NextAsync(AsyncServerStreamingCall<GetFlowsResponse> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        GetFlowsResponse response = call.ResponseStream.Current;
        return response.NodeStatus is { } status
            ? $"{status.StateChange} {string.Join(' ', status.NodeNames)}"
            : $"{response.NodeName} {(response.Time.ToDateTimeOffset() - Sample.Time).TotalSeconds}";
    }
}
