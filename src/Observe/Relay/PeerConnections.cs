using System.Collections.Concurrent;
using System.Net;
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
    /// <exception cref="FormatException">The peer's address cannot be understood.</exception>
    public Observer.ObserverClient Of(PeerNode peer) => new(ChannelOf(peer));

    /// <summary>What the peer's observer says of itself; or why it does not, when it does not answer within the time that the settings allow.</summary>
    public async Task<PeerAnswer> AskStatusAsync(PeerNode peer, CancellationToken cancellation)
    {
        try
        {
            return new(peer, await Of(peer).ServerStatusAsync(new(), deadline: DateTime.UtcNow + _settings.ConnectTimeout, cancellationToken: cancellation), "");
        }
        catch (FormatException e)
        {
            return new(peer, null, e.Message);
        }
        catch (RpcException e) when (!cancellation.IsCancellationRequested)
        {
            return new(peer, null, e.StatusCode == StatusCode.DeadlineExceeded ? $"no answer within {_settings.ConnectTimeout.TotalSeconds} s" : e.Status.Detail);
        }
    }

    /// <summary>
    /// Forgets peers that are gone. Their channels are not closed under clients that still read: each ends its stream when it notices, and a
    /// channel without streams closes its connection by itself after a minute.
    /// </summary>
    public void Keep(IEnumerable<PeerNode> peers)
    {
        HashSet<PeerNode> kept = [.. peers];
        foreach (PeerNode gone in _channels.Keys.Where(peer => !kept.Contains(peer)))
        {
            _channels.TryRemove(gone, out _);
        }
    }

    public void Dispose()
    {
        foreach (GrpcChannel channel in _channels.Values)
        {
            channel.Dispose();
        }

        _channels.Clear();
    }

    private GrpcChannel ChannelOf(PeerNode peer) => _channels.GetOrAdd(peer, Open);

    // The name that a certificate must have is the one in the address, so the address names it, and the connection goes where the peer is.
    private GrpcChannel Open(PeerNode peer)
    {
        EndPoint endpoint = EndPointOf(peer);
        SocketsHttpHandler handler = new()
        {
            EnableMultipleHttp2Connections = true,
            ConnectCallback = async (_, cancellation) => await ConnectAsync(endpoint, cancellation).ConfigureAwait(false),
        };
        if (peer.TlsServerName is not null)
        {
            handler.SslOptions = _settings.Tls?.Invoke(peer) ?? new();
        }

        string address = peer.TlsServerName is null ? "http://localhost" : $"https://{peer.TlsServerName}";
        return GrpcChannel.ForAddress(address, new() { HttpHandler = handler, DisposeHttpClient = true });
    }

    private static EndPoint EndPointOf(PeerNode peer)
    {
        if (peer.Address.StartsWith(UnixScheme, StringComparison.Ordinal))
        {
            return new UnixDomainSocketEndPoint(peer.Address[UnixScheme.Length..]);
        }

        return Uri.TryCreate($"tcp://{peer.Address}", UriKind.Absolute, out Uri? uri) && uri.Port > 0
            ? new DnsEndPoint(uri.Host.Trim('[', ']'), uri.Port)
            : throw new FormatException($"'{peer.Address}' is neither host:port nor unix:///path");
    }

    private static async ValueTask<Stream> ConnectAsync(EndPoint endpoint, CancellationToken cancellation)
    {
        Socket socket = endpoint is UnixDomainSocketEndPoint
            ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
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
