using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace ClusterMesh.Datapath.Observe.Tests;

/// <summary>A program of its own with REST on a Unix socket.</summary>
internal sealed class RestHost : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly string _directory = Directory.CreateTempSubdirectory("observe-").FullName;

    private RestHost(Action<WebApplication> endpoints)
    {
        string socket = Path.Combine(_directory, "api.sock");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket));
        _application = builder.Build();
        endpoints(_application);
        Client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                Socket connection = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellation);
                return new NetworkStream(connection, ownsSocket: true);
            },
        })
        {
            BaseAddress = new("http://localhost"),
        };
    }

    public HttpClient Client { get; }

    public static async Task<RestHost> StartAsync(Action<WebApplication> endpoints)
    {
        RestHost host = new(endpoints);
        await host._application.StartAsync();
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _application.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }
}
