using ClusterMesh.Datapath.Observe.Hubble.Health;
using Grpc.Core;
using Microsoft.Extensions.Hosting;
using ServingStatus = ClusterMesh.Datapath.Observe.Hubble.Health.HealthCheckResponse.Types.ServingStatus;

namespace ClusterMesh.Datapath.Observe;

/// <summary>gRPC's health service. All that is here serves for as long as the program does not stop.</summary>
public sealed class HealthService : Health.HealthBase
{
    // What is asked for: nothing in particular, what `hubble status` asks, and the services by their own names.
    private static readonly HashSet<string> s_services = ["", "hubble.server.Observer", "observer.Observer", "peer.Peer"];

    private readonly CancellationToken _stopping;

    public HealthService(IHostApplicationLifetime lifetime)
    {
        ArgumentNullException.ThrowIfNull(lifetime);
        _stopping = lifetime.ApplicationStopping;
    }

    private ServingStatus Now => _stopping.IsCancellationRequested ? ServingStatus.NotServing : ServingStatus.Serving;

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => s_services.Contains(request.Service)
        ? Task.FromResult(new HealthCheckResponse { Status = Now })
        : throw new RpcException(new Status(StatusCode.NotFound, $"there is no service '{request.Service}' here"));

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        bool known = s_services.Contains(request.Service);
        await responseStream.WriteAsync(new() { Status = known ? Now : ServingStatus.ServiceUnknown }, context.CancellationToken).ConfigureAwait(false);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(_stopping, context.CancellationToken);
        await EmptyStream.RunAsync(follow: true, either.Token).ConfigureAwait(false);
        if (known && !context.CancellationToken.IsCancellationRequested)
        {
            await responseStream.WriteAsync(new() { Status = ServingStatus.NotServing }).ConfigureAwait(false);
        }
    }
}
