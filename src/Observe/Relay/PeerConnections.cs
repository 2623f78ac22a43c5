using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using Grpc.Core;
using Grpc.Net.Client;

namespace ClusterMesh.Datapath.Observe.Relay;

/// <summary>One connection to each peer, made when first asked for and kept. Shared by all clients of a relay.</summary>
public sealed class PeerConnections : IDisposable
{
    private const string UnixScheme = "unix://";

    private readonly RelaySettings _settings;
    private readonly ConcurrentDictionary<PeerNode, GrpcChannel> _channels = new();

    public PeerConnections(RelaySettings settings)
    {
        _settings = settings;
    }

    /// <summary>A client of the peer's observer; connecting is left to its first call.</summary>
    public Observer.ObserverClient Of(PeerNode peer) => new(ChannelOf(peer));

    /// <summary>What the peer's observer says of itself; null when it does not answer within the time that the settings allow.</summary>
    public async Task<ServerStatusResponse?> AskStatusAsync(PeerNode peer, CancellationToken cancellation)
    {
        try
        {
            return await Of(peer).ServerStatusAsync(new(), deadline: DateTime.UtcNow + _settings.ConnectTimeout, cancellationToken: cancellation);
        }
        catch (RpcException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Closes connections to peers that are gone.</summary>
    public void Keep(IEnumerable<PeerNode> peers)
    {
        HashSet<PeerNode> kept = [.. peers];
        foreach (PeerNode gone in _channels.Keys.Where(peer => !kept.Contains(peer)))
        {
            if (_channels.TryRemove(gone, out GrpcChannel? channel))
            {
                channel.Dispose();
            }
        }
    }

    public void Dispose() => Keep([]);

    private GrpcChannel ChannelOf(PeerNode peer) => _channels.GetOrAdd(peer, Open);

    private GrpcChannel Open(PeerNode peer)
    {
        SocketsHttpHandler handler = new() { EnableMultipleHttp2Connections = true };
        string scheme = peer.TlsServerName is null ? "http" : "https";
        string address = $"{scheme}://{peer.Address}";
        if (peer.Address.StartsWith(UnixScheme, StringComparison.Ordinal))
        {
            UnixDomainSocketEndPoint endpoint = new(peer.Address[UnixScheme.Length..]);
            handler.ConnectCallback = async (_, cancellation) => await ConnectAsync(endpoint, cancellation).ConfigureAwait(false);
            address = $"{scheme}://localhost";
        }

        if (peer.TlsServerName is not null)
        {
            SslClientAuthenticationOptions tls = _settings.Tls?.Invoke(peer) ?? new();
            tls.TargetHost = peer.TlsServerName;
            handler.SslOptions = tls;
        }

        return GrpcChannel.ForAddress(address, new() { HttpHandler = handler, DisposeHttpClient = true });
    }

    private static async ValueTask<Stream> ConnectAsync(UnixDomainSocketEndPoint endpoint, CancellationToken cancellation)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endpoint, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
