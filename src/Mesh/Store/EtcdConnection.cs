using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// Channels to the members of one etcd, TLS with client certificates included. Certificates are read at each handshake. The last thing
/// that went wrong with TLS is kept, since gRPC says no more than that there is no connection.
/// </summary>
internal sealed class EtcdConnection : IDisposable
{
    private const int MessageLengthLimit = 32 * 1024 * 1024;

    private readonly EtcdSettings _settings;
    private readonly GrpcChannel[] _channels;
    private int _active;
    private volatile string? _serverMistake;
    private volatile string? _clientMistake;

    public EtcdConnection(EtcdSettings settings)
    {
        _settings = settings;
        _channels = [.. settings.Endpoints.Select(Open)];
    }

    public GrpcChannel Channel => _channels[Volatile.Read(ref _active)];

    /// <summary>As people write it, without a slash behind.</summary>
    public string Endpoint => _settings.Endpoints[Volatile.Read(ref _active)].GetLeftPart(UriPartial.Authority);

    /// <summary>One sentence about certificates, or null.</summary>
    public string? TlsMistake => _serverMistake ?? _clientMistake;

    /// <summary>The next request goes to the next member.</summary>
    public void TryNext(GrpcChannel failed)
    {
        int at = Array.IndexOf(_channels, failed);
        Interlocked.CompareExchange(ref _active, (at + 1) % _channels.Length, at);
    }

    public void Dispose()
    {
        foreach (GrpcChannel channel in _channels)
        {
            channel.Dispose();
        }
    }

    private GrpcChannel Open(Uri endpoint)
    {
        SocketsHttpHandler handler = new()
        {
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingDelay = TimeSpan.FromSeconds(10),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            UseProxy = false,
            ConnectCallback = ConnectAsync,
        };
        if (endpoint.Scheme == Uri.UriSchemeHttps)
        {
            handler.SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                LocalCertificateSelectionCallback = (_, _, _, _, _) => ReadClientCertificate()!,
                RemoteCertificateValidationCallback = Validate,
            };
        }

        return GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MessageLengthLimit,
            MaxSendMessageSize = null,
            InitialReconnectBackoff = TimeSpan.FromMilliseconds(100),
            MaxReconnectBackoff = TimeSpan.FromSeconds(2),
        });
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (_settings.HostAliases.TryGetValue(context.DnsEndPoint.Host, out IPAddress? address))
            {
                await socket.ConnectAsync(address, context.DnsEndPoint.Port, cancellation);
            }
            else
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancellation);
            }

            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Null, and a sentence kept, when there is none to show.</summary>
    private X509Certificate2? ReadClientCertificate()
    {
        if (_settings.CertFile is null || _settings.KeyFile is null)
        {
            return null;
        }

        try
        {
            X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(_settings.CertFile, _settings.KeyFile);
            _clientMistake = null;
            return certificate;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            _clientMistake = $"the client certificate {_settings.CertFile} with its key cannot be read ({fault.Message.TrimEnd('.')})";
            return null;
        }
    }

    private bool Validate(object sender, X509Certificate? certificate, X509Chain? built, SslPolicyErrors errors)
    {
        _serverMistake = ServerCertificate.Check(_settings, certificate as X509Certificate2, built, errors);
        return _serverMistake is null;
    }
}
