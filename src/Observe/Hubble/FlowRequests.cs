using ClusterMesh.Datapath.Observe.Filters;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Store;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace ClusterMesh.Datapath.Observe;

/// <summary>Reads what a client asks. Every mistake becomes INVALID_ARGUMENT with one sentence, before anything is sent.</summary>
internal static class FlowRequests
{
    /// <exception cref="RpcException">The request contradicts itself or has a filter or mask that cannot be understood.</exception>
    public static FlowQuery ToQuery(GetFlowsRequest request)
    {
        if (request.First && request.Follow)
        {
            throw Invalid("first and follow exclude each other: what comes next is never among the first");
        }

        try
        {
            return new()
            {
                Number = request.Number,
                First = request.First,
                Follow = request.Follow,
                Since = request.Since is null ? null : FlowMessages.ToNanoseconds(request.Since),
                Until = request.Until is null ? null : FlowMessages.ToNanoseconds(request.Until),
                Matches = FlowFilters.Compile(request.Whitelist, request.Blacklist),
            };
        }
        catch (FilterException e)
        {
            throw Invalid(e.Message);
        }
    }

    /// <summary>Null when the client wants everything.</summary>
    /// <exception cref="RpcException">A path names no field of a flow.</exception>
    public static FieldMask? ToMask(GetFlowsRequest request)
    {
        FieldMask? mask = request.FieldMask ?? request.Experimental?.FieldMask;
        if (mask is null || mask.Paths.Count == 0)
        {
            return null;
        }

        foreach (string path in mask.Paths)
        {
            if (!FieldMask.IsValid(Flow.Descriptor, path))
            {
                throw Invalid($"field_mask: a flow has no field '{path}'");
            }
        }

        return mask;
    }

    private static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));
}
