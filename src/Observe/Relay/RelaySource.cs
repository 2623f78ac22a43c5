using System.Threading.Channels;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace ClusterMesh.Datapath.Observe.Relay;

/// <summary>
/// One node's stream within a merge. A few events are read ahead; when they are not taken, the node's own observer waits, so a slow client
/// costs each node nothing but its ring.
/// </summary>
internal sealed class RelaySource : IDisposable
{
    private const int ReadAhead = 128;

    private readonly Channel<(GetFlowsResponse Response, long Arrived)> _channel =
        Channel.CreateBounded<(GetFlowsResponse, long)>(new BoundedChannelOptions(ReadAhead) { SingleReader = true, SingleWriter = true });

    private readonly CancellationTokenSource _cancellation;
    private readonly TimeProvider _clock;
    private Task<bool>? _waiting;

    public RelaySource(PeerNode peer, TimeProvider clock, CancellationToken cancellation)
    {
        Peer = peer;
        _clock = clock;
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    public PeerNode Peer { get; }

    /// <summary>The oldest event that was not taken yet, and the clock's timestamp at which it came.</summary>
    public (GetFlowsResponse Response, long Arrived)? Head { get; private set; }

    /// <summary>Nothing more comes, and nothing is left.</summary>
    public bool IsDone { get; private set; }

    public void Start(Observer.ObserverClient client, GetFlowsRequest request) => _ = PumpAsync(client, request);

    /// <summary>Looks whether a head has come.</summary>
    public void Refresh()
    {
        if (Head is not null || IsDone)
        {
            return;
        }

        if (_channel.Reader.TryRead(out (GetFlowsResponse, long) item))
        {
            Head = item;
        }
        else if (_channel.Reader.Completion.IsCompleted)
        {
            IsDone = true;
        }
    }

    public GetFlowsResponse Take()
    {
        GetFlowsResponse response = Head!.Value.Response;
        Head = null;
        return response;
    }

    /// <summary>Ends when <see cref="Refresh"/> will find something new.</summary>
    public Task WaitAsync()
    {
        if (_waiting is null || _waiting.IsCompleted)
        {
            _waiting = _channel.Reader.WaitToReadAsync().AsTask();
        }

        return _waiting;
    }

    public void Dispose()
    {
        _cancellation.Cancel();
        _cancellation.Dispose();
    }

    public static GetFlowsResponse Notice(string sender, NodeState state, IEnumerable<string> names, string message, DateTimeOffset now) => new()
    {
        NodeName = sender,
        NodeStatus = new() { StateChange = state, NodeNames = { names }, Message = message },
        Time = Timestamp.FromDateTimeOffset(now),
    };

    private async Task PumpAsync(Observer.ObserverClient client, GetFlowsRequest request)
    {
        CancellationToken cancellation = _cancellation.Token;
        try
        {
            using AsyncServerStreamingCall<GetFlowsResponse> call = client.GetFlows(request, cancellationToken: cancellation);
            await foreach (GetFlowsResponse response in call.ResponseStream.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                await _channel.Writer.WriteAsync((response, _clock.GetTimestamp()), cancellation).ConfigureAwait(false);
            }
        }
        catch (RpcException e) when (!cancellation.IsCancellationRequested)
        {
            await CompleteAsync(Notice(Peer.Name, NodeState.NodeError, [Peer.Name], e.Status.Detail, _clock.GetUtcNow()), cancellation).ConfigureAwait(false);
            return;
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException)
        {
            // The merge is over.
        }

        _channel.Writer.Complete();
    }

    // The notice waits for its place like any event: what came before it is still read.
    private async Task CompleteAsync(GetFlowsResponse notice, CancellationToken cancellation)
    {
        try
        {
            await _channel.Writer.WriteAsync((notice, _clock.GetTimestamp()), cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The merge is over.
        }

        _channel.Writer.Complete();
    }
}
