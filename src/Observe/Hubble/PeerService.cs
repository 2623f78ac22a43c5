using System.Collections.Immutable;
using ClusterMesh.Datapath.Observe.Hubble.Peers;
using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace ClusterMesh.Datapath.Observe;

/// <summary>Hubble's peer service: tells a relay which nodes there are, and each change.</summary>
public sealed class PeerService : Peer.PeerBase
{
    private readonly PeerList _peers;
    private readonly IHostApplicationLifetime _lifetime;

    public PeerService(PeerList peers, IHostApplicationLifetime lifetime)
    {
        _peers = peers;
        _lifetime = lifetime;
    }

    public override async Task Notify(NotifyRequest request, IServerStreamWriter<ChangeNotification> responseStream, ServerCallContext context)
    {
        ImmutableSortedDictionary<string, PeerNode> known = ImmutableSortedDictionary.Create<string, PeerNode>(StringComparer.Ordinal);
        using CallEnd end = new(context, _lifetime);
        try
        {
            while (true)
            {
                (ImmutableSortedDictionary<string, PeerNode> peers, Task changed) = _peers.Current;
                foreach (ChangeNotification change in Changes(known, peers))
                {
                    await responseStream.WriteAsync(change, end.Token).ConfigureAwait(false);
                }

                known = peers;
                await changed.WaitAsync(end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (end.Token.IsCancellationRequested)
        {
            end.ThrowIfStopping();
        }
    }

    private static IEnumerable<ChangeNotification> Changes(ImmutableSortedDictionary<string, PeerNode> before, ImmutableSortedDictionary<string, PeerNode> after) =>
        before.Values.Where(peer => !after.ContainsKey(peer.Name)).Select(peer => ToMessage(peer, ChangeNotificationType.PeerDeleted))
            .Concat(after.Values.Where(peer => !before.TryGetValue(peer.Name, out PeerNode? old) || old != peer)
                .Select(peer => ToMessage(peer, before.ContainsKey(peer.Name) ? ChangeNotificationType.PeerUpdated : ChangeNotificationType.PeerAdded)));

    private static ChangeNotification ToMessage(PeerNode peer, ChangeNotificationType type) => new()
    {
        Name = peer.Name,
        Address = peer.Address,
        Type = type,
        Tls = peer.TlsServerName is null ? null : new() { ServerName = peer.TlsServerName },
    };
}
