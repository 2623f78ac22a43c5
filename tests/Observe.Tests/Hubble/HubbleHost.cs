using System.Net;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Observe.Hubble.Health;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Peers;
using ClusterMesh.Datapath.Observe.Relay;
using ClusterMesh.Datapath.Observe.Store;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ClusterMesh.Datapath.Observe.Tests.Hubble;

/// <summary>A program of its own with Hubble's API on a Unix socket, and clients generated from our .proto files.</summary>
internal sealed class HubbleHost : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly PeerConnections _connections = new(new());
    private readonly string _directory;

    private HubbleHost(Action<IServiceCollection> services, Action<WebApplication> endpoints, X509Certificate2? certificate = null)
    {
        _directory = Directory.CreateTempSubdirectory("observe-").FullName;
        Socket = Path.Combine(_directory, "hubble.sock");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(Socket, options => options.Protocols = HttpProtocols.Http2);
            if (certificate is not null)
            {
                kestrel.Listen(IPAddress.Loopback, 0, options =>
                {
                    options.Protocols = HttpProtocols.Http2;
                    options.UseHttps(certificate);
                });
            }
        });
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        services(builder.Services);
        _application = builder.Build();
        endpoints(_application);
    }

    public string Socket { get; }

    /// <summary>host:port; of a host with a certificate.</summary>
    public string TcpAddress => _application.Urls.Single(url => url.StartsWith("https://", StringComparison.Ordinal))["https://".Length..];

    public PeerNode Self => new("self/self", $"unix://{Socket}");

    public Observer.ObserverClient Observer => _connections.Of(Self);

    public CallInvoker Invoker => GrpcChannel.ForAddress("http://localhost", new() { HttpHandler = UnixHandler(Socket), DisposeHttpClient = true }).CreateCallInvoker();

    public Peer.PeerClient Peers => new(Invoker);

    public Health.HealthClient Health => new(Invoker);

    public static async Task<HubbleHost> StartAsync(FlowStore store, ObserverNode? node = null, PeerList? peers = null, TimeProvider? clock = null)
    {
        HubbleHost host = new(
            services => services.AddSingleton(clock ?? TimeProvider.System).AddHubble(store, node ?? Sample.Node, peers ?? new()),
            application => application.MapHubble());
        await host._application.StartAsync();
        return host;
    }

    public static async Task<HubbleHost> StartTlsAsync(FlowStore store, X509Certificate2 certificate)
    {
        HubbleHost host = new(services => services.AddHubble(store, Sample.Node, new()), application => application.MapHubble(), certificate);
        await host._application.StartAsync();
        return host;
    }

    public static async Task<HubbleHost> StartRelayAsync(PeerList peers, RelaySettings settings)
    {
        HubbleHost host = new(services => services.AddHubbleRelay(peers, settings), application => application.MapHubbleRelay());
        await host._application.StartAsync();
        return host;
    }

    /// <summary>All that a call without follow answers.</summary>
    public async Task<IReadOnlyList<GetFlowsResponse>> GetFlowsAsync(GetFlowsRequest request)
    {
        using AsyncServerStreamingCall<GetFlowsResponse> call = Observer.GetFlows(request, deadline: DateTime.UtcNow.AddSeconds(30));
        List<GetFlowsResponse> all = [];
        await foreach (GetFlowsResponse response in call.ResponseStream.ReadAllAsync())
        {
            all.Add(response);
        }

        return all;
    }

    public Task StopAsync() => _application.StopAsync(new CancellationToken(canceled: true));

    /// <summary>As a program that is asked to stop: streams may end by themselves.</summary>
    public async Task StopGentlyAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        await _application.StopAsync(limit.Token);
        Assert.False(limit.IsCancellationRequested, "the program waited for its clients");
    }

    public async ValueTask DisposeAsync()
    {
        _connections.Dispose();
        await StopAsync();
        await _application.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private static SocketsHttpHandler UnixHandler(string path) => new()
    {
        ConnectCallback = async (_, cancellation) =>
        {
            System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
            await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(path), cancellation);
            return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
        },
    };
}
