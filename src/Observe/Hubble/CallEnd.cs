using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace ClusterMesh.Datapath.Observe;

/// <summary>When a stream without an end of its own is over: the client leaves, or the program stops, which would otherwise wait for its clients.</summary>
internal sealed class CallEnd : IDisposable
{
    private readonly CancellationTokenSource _either;
    private readonly CancellationToken _stopping;

    public CallEnd(ServerCallContext context, IHostApplicationLifetime lifetime)
    {
        _stopping = lifetime.ApplicationStopping;
        _either = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, _stopping);
    }

    public CancellationToken Token => _either.Token;

    /// <summary>Ends what the call has started.</summary>
    public void Cancel() => _either.Cancel();

    /// <exception cref="RpcException">The program stops: the client shall know that more would have come.</exception>
    public void ThrowIfStopping()
    {
        if (_stopping.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "the observer stops"));
        }
    }

    public void Dispose() => _either.Dispose();
}
