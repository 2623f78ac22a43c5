using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Observe.Store;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace ClusterMesh.Datapath.Observe;

/// <summary>Hubble's observer over the flow store of one node.</summary>
public sealed class ObserverService : Observer.ObserverBase
{
    private static readonly WriteOptions s_more = new(WriteFlags.BufferHint);
    private static readonly TimeSpan s_namespaceAge = TimeSpan.FromHours(1);

    private readonly FlowStore _store;
    private readonly ObserverNode _node;
    private readonly TimeProvider _clock;
    private readonly IHostApplicationLifetime _lifetime;

    public ObserverService(FlowStore store, ObserverNode node, TimeProvider clock, IHostApplicationLifetime lifetime)
    {
        _store = store;
        _node = node;
        _clock = clock;
        _lifetime = lifetime;
    }

    public override async Task GetFlows(GetFlowsRequest request, IServerStreamWriter<GetFlowsResponse> responseStream, ServerCallContext context)
    {
        FlowReader reader = new(_store, _node, FlowRequests.ToQuery(request));
        FieldMask? mask = FlowRequests.ToMask(request);
        using CallEnd end = new(context, _lifetime);
        await using IAsyncEnumerator<FlowReading> readings = reader.ReadAsync(end.Token).GetAsyncEnumerator(end.Token);
        try
        {
            bool any = await readings.MoveNextAsync().ConfigureAwait(false);
            while (any)
            {
                GetFlowsResponse response = ToResponse(readings.Current, mask);

                // While the next one is there already, this one need not go out by itself.
                ValueTask<bool> next = readings.MoveNextAsync();
                responseStream.WriteOptions = next.IsCompleted ? s_more : null;
                await responseStream.WriteAsync(response, end.Token).ConfigureAwait(false);
                any = await next.ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (end.Token.IsCancellationRequested)
        {
            end.ThrowIfStopping();
        }
    }

    public override Task GetAgentEvents(GetAgentEventsRequest request, IServerStreamWriter<GetAgentEventsResponse> responseStream, ServerCallContext context) =>
        EmptyStream.RunAsync(request.Follow, context, _lifetime);

    public override Task GetDebugEvents(GetDebugEventsRequest request, IServerStreamWriter<GetDebugEventsResponse> responseStream, ServerCallContext context) =>
        EmptyStream.RunAsync(request.Follow, context, _lifetime);

    public override Task<ServerStatusResponse> ServerStatus(ServerStatusRequest request, ServerCallContext context)
    {
        FlowStoreStatus status = _store.Status;
        return Task.FromResult(new ServerStatusResponse
        {
            NumFlows = status.Count,
            MaxFlows = status.Capacity,
            SeenFlows = status.Seen,
            UptimeNs = (ulong)status.Uptime.TotalNanoseconds,
            NumConnectedNodes = 1,
            NumUnavailableNodes = 0,
            Version = _node.Version,
            FlowsRate = status.Rate,
        });
    }

    public override Task<GetNodesResponse> GetNodes(GetNodesRequest request, ServerCallContext context)
    {
        FlowStoreStatus status = _store.Status;
        return Task.FromResult(new GetNodesResponse
        {
            Nodes =
            {
                new Node
                {
                    Name = _node.FullName,
                    Version = _node.Version,
                    Address = _node.Address,
                    State = NodeState.NodeConnected,
                    Tls = new() { Enabled = false },
                    UptimeNs = (ulong)status.Uptime.TotalNanoseconds,
                    NumFlows = status.Count,
                    MaxFlows = status.Capacity,
                    SeenFlows = status.Seen,
                },
            },
        });
    }

    /// <summary>Namespaces of flows of the last hour that are still in the store.</summary>
    public override async Task<GetNamespacesResponse> GetNamespaces(GetNamespacesRequest request, ServerCallContext context)
    {
        SortedSet<(string Cluster, string Namespace)> found = [];
        FlowQuery query = new() { Since = FlowMessages.ToNanoseconds(Timestamp.FromDateTimeOffset(_clock.GetUtcNow() - s_namespaceAge)) };
        await foreach (FlowReading reading in new FlowReader(_store, _node, query).ReadAsync(context.CancellationToken).ConfigureAwait(false))
        {
            foreach (Names.EndpointName? name in (ReadOnlySpan<Names.EndpointName?>)[reading.Flow?.Source, reading.Flow?.Destination])
            {
                if (name?.Namespace.Length > 0)
                {
                    found.Add((name.Cluster, name.Namespace));
                }
            }
        }

        return new() { Namespaces = { found.Select(f => new Namespace { Cluster = f.Cluster, Namespace_ = f.Namespace }) } };
    }

    private GetFlowsResponse ToResponse(in FlowReading reading, FieldMask? mask)
    {
        GetFlowsResponse response = new() { NodeName = _node.FullName };
        if (reading.Flow is null)
        {
            response.LostEvents = new()
            {
                NumEventsLost = reading.LostCount,
                Source = reading.LostByReader ? LostEventSource.HubbleRingBuffer : LostEventSource.PerfEventRingBuffer,
            };
            response.Time = reading.LostByReader ? Timestamp.FromDateTimeOffset(_clock.GetUtcNow()) : FlowMessages.ToTimestamp(reading.Time);
            return response;
        }

        Flow flow = FlowMessages.ToFlow(reading.Flow);
        response.Time = flow.Time;
        if (mask is not null)
        {
            Flow masked = new();
            mask.Merge(flow, masked);
            flow = masked;
        }

        response.Flow = flow;
        return response;
    }
}
