using System.Collections.Immutable;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace ClusterMesh.Datapath.Observe.Relay;

/// <summary>Hubble's observer for all nodes of all clusters behind one address: asks each node's observer and merges the answers.</summary>
public sealed class RelayService : Observer.ObserverBase
{
    private readonly PeerList _peers;
    private readonly PeerConnections _connections;
    private readonly RelaySettings _settings;
    private readonly TimeProvider _clock;
    private readonly IHostApplicationLifetime _lifetime;

    public RelayService(PeerList peers, PeerConnections connections, RelaySettings settings, TimeProvider clock, IHostApplicationLifetime lifetime)
    {
        _peers = peers;
        _connections = connections;
        _settings = settings;
        _clock = clock;
        _lifetime = lifetime;
    }

    public override async Task GetFlows(GetFlowsRequest request, IServerStreamWriter<GetFlowsResponse> responseStream, ServerCallContext context)
    {
        // Mistakes are told once, here, and not by each node.
        FlowRequests.ToQuery(request);
        FlowRequests.ToMask(request);
        using CallEnd end = new(context, _lifetime);
        CancellationToken cancellation = end.Token;

        // Nodes that come later bring what is new: their past would be out of order, and told twice if they were here before.
        GetFlowsRequest live = new(request) { Number = 0, Since = null };
        RelayMerge merge = new([], _clock, request.Follow ? _settings.SortDelay : _settings.StallTimeout);
        try
        {
            await WriteConnectedAsync(await ConnectAsync(request, [], cancellation).ConfigureAwait(false), merge, tellUnavailable: true, responseStream, cancellation).ConfigureAwait(false);
            Task<Connected> later = request.Follow ? ConnectLaterAsync(live, merge, cancellation) : new TaskCompletionSource<Connected>().Task;
            while (request.Follow || !merge.IsDone)
            {
                if (merge.TryTake() is { } response)
                {
                    await responseStream.WriteAsync(response, cancellation).ConfigureAwait(false);
                }
                else if (request.Follow || !merge.IsDone)
                {
                    await merge.WaitAsync(later, cancellation).ConfigureAwait(false);
                }

                if (later.IsCompleted)
                {
                    await WriteGoneAsync(merge, responseStream, cancellation).ConfigureAwait(false);
                    await WriteConnectedAsync(await later.ConfigureAwait(false), merge, tellUnavailable: false, responseStream, cancellation).ConfigureAwait(false);
                    later = ConnectLaterAsync(live, merge, cancellation);
                }
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            end.ThrowIfStopping();
        }
        finally
        {
            merge.Stop();
            end.Cancel();
        }
    }

    public override Task GetAgentEvents(GetAgentEventsRequest request, IServerStreamWriter<GetAgentEventsResponse> responseStream, ServerCallContext context) =>
        EmptyStream.RunAsync(request.Follow, context, _lifetime);

    public override Task GetDebugEvents(GetDebugEventsRequest request, IServerStreamWriter<GetDebugEventsResponse> responseStream, ServerCallContext context) =>
        EmptyStream.RunAsync(request.Follow, context, _lifetime);

    public override async Task<ServerStatusResponse> ServerStatus(ServerStatusRequest request, ServerCallContext context)
    {
        PeerAnswer[] all = await AskAllAsync(context.CancellationToken).ConfigureAwait(false);
        ServerStatusResponse[] answers = [.. all.Select(answer => answer.Status).OfType<ServerStatusResponse>()];
        return new()
        {
            NumFlows = answers.Aggregate(0ul, (sum, status) => sum + status.NumFlows),
            MaxFlows = answers.Aggregate(0ul, (sum, status) => sum + status.MaxFlows),
            SeenFlows = answers.Aggregate(0ul, (sum, status) => sum + status.SeenFlows),
            UptimeNs = answers.Select(status => status.UptimeNs).DefaultIfEmpty().Max(),
            NumConnectedNodes = (uint)answers.Length,
            NumUnavailableNodes = (uint)(all.Length - answers.Length),
            UnavailableNodes = { all.Where(answer => answer.Status is null).Select(answer => answer.Peer.Name) },
            Version = _settings.Version,
            FlowsRate = answers.Sum(status => status.FlowsRate),
        };
    }

    public override async Task<GetNodesResponse> GetNodes(GetNodesRequest request, ServerCallContext context)
    {
        PeerAnswer[] all = await AskAllAsync(context.CancellationToken).ConfigureAwait(false);
        return new() { Nodes = { all.Select(answer => ToNode(answer.Peer, answer.Status)) } };
    }

    public override async Task<GetNamespacesResponse> GetNamespaces(GetNamespacesRequest request, ServerCallContext context)
    {
        IEnumerable<Namespace>[] all = await Task.WhenAll(_peers.Current.Peers.Values.Select(peer => AskNamespacesAsync(peer, context.CancellationToken))).ConfigureAwait(false);
        IEnumerable<Namespace> merged = all.SelectMany(namespaces => namespaces).Distinct()
            .OrderBy(found => found.Cluster, StringComparer.Ordinal).ThenBy(found => found.Namespace_, StringComparer.Ordinal);
        return new() { Namespaces = { merged } };
    }

    private static Node ToNode(PeerNode peer, ServerStatusResponse? status) => new()
    {
        Name = peer.Name,
        Address = peer.Address,
        Version = status?.Version ?? "",
        State = status is null ? NodeState.NodeUnavailable : NodeState.NodeConnected,
        Tls = new() { Enabled = peer.TlsServerName is not null, ServerName = peer.TlsServerName ?? "" },
        UptimeNs = status?.UptimeNs ?? 0,
        NumFlows = status?.NumFlows ?? 0,
        MaxFlows = status?.MaxFlows ?? 0,
        SeenFlows = status?.SeenFlows ?? 0,
    };

    // Opens streams to the peers that are not there yet.
    private async Task<Connected> ConnectAsync(GetFlowsRequest request, IReadOnlyCollection<PeerNode> there, CancellationToken cancellation)
    {
        PeerNode[] missing = [.. _peers.Current.Peers.Values.Except(there)];
        _connections.Keep(_peers.Current.Peers.Values);
        PeerAnswer[] answers = await Task.WhenAll(missing.Select(peer => _connections.AskStatusAsync(peer, cancellation))).ConfigureAwait(false);
        List<RelaySource> sources = [];
        foreach (PeerNode peer in answers.Where(answer => answer.Status is not null).Select(answer => answer.Peer))
        {
            RelaySource source = new(peer, _clock, cancellation);
            source.Start(_connections.Of(peer), request);
            sources.Add(source);
        }

        return new([.. sources], [.. answers.Where(answer => answer.Status is null)]);
    }

    private async Task WriteConnectedAsync(
        Connected found,
        RelayMerge merge,
        bool tellUnavailable,
        IServerStreamWriter<GetFlowsResponse> responseStream,
        CancellationToken cancellation)
    {
        foreach (RelaySource source in found.Sources)
        {
            merge.Add(source);
        }

        if (found.Sources.Length > 0)
        {
            await responseStream.WriteAsync(
                RelaySource.Notice(_settings.Name, NodeState.NodeConnected, found.Sources.Select(source => source.Peer.Name), "", _clock.GetUtcNow()), cancellation).ConfigureAwait(false);
        }

        if (found.Unavailable.Length > 0 && tellUnavailable)
        {
            await responseStream.WriteAsync(
                RelaySource.Notice(_settings.Name, NodeState.NodeUnavailable, found.Unavailable.Select(answer => answer.Peer.Name),
                    string.Join("; ", found.Unavailable.Select(answer => $"{answer.Peer.Name}: {answer.Error}")), _clock.GetUtcNow()), cancellation).ConfigureAwait(false);
        }
    }

    private async Task WriteGoneAsync(RelayMerge merge, IServerStreamWriter<GetFlowsResponse> responseStream, CancellationToken cancellation)
    {
        string[] gone = [.. merge.RemoveExcept(_peers.Current.Peers.Values)];
        if (gone.Length > 0)
        {
            await responseStream.WriteAsync(RelaySource.Notice(_settings.Name, NodeState.NodeGone, gone, "", _clock.GetUtcNow()), cancellation).ConfigureAwait(false);
        }
    }

    // After an interval, or when the list of peers changes. Beside the stream: a node that does not answer must not hold it up.
    private async Task<Connected> ConnectLaterAsync(GetFlowsRequest live, RelayMerge merge, CancellationToken cancellation)
    {
        PeerNode[] there = [.. merge.Peers];
        await Task.WhenAny(_peers.Current.Changed, Task.Delay(_settings.RetryInterval, _clock, cancellation)).ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();
        return await ConnectAsync(live, there, cancellation).ConfigureAwait(false);
    }

    private async Task<PeerAnswer[]> AskAllAsync(CancellationToken cancellation) => await Task.WhenAll(
        _peers.Current.Peers.Values.Select(peer => _connections.AskStatusAsync(peer, cancellation))).ConfigureAwait(false);

    private async Task<IEnumerable<Namespace>> AskNamespacesAsync(PeerNode peer, CancellationToken cancellation)
    {
        try
        {
            GetNamespacesResponse answer = await _connections.Of(peer)
                .GetNamespacesAsync(new(), deadline: _clock.GetUtcNow().UtcDateTime + _settings.ConnectTimeout, cancellationToken: cancellation);
            return answer.Namespaces;
        }
        catch (Exception e) when (e is RpcException or FormatException && !cancellation.IsCancellationRequested)
        {
            return []; // `list nodes` says why
        }
    }

    private sealed record Connected(ImmutableArray<RelaySource> Sources, ImmutableArray<PeerAnswer> Unavailable);
}
