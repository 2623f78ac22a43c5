using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace ClusterMesh.Datapath.Observe;

/// <summary>A stream of events of which there are none: it ends at once, or with the client that follows it.</summary>
internal static class EmptyStream
{
    public static async Task RunAsync(bool follow, ServerCallContext context, IHostApplicationLifetime lifetime)
    {
        using CallEnd end = new(context, lifetime);
        await RunAsync(follow, end.Token).ConfigureAwait(false);
        end.ThrowIfStopping();
    }

    public static async Task RunAsync(bool follow, CancellationToken cancellation)
    {
        if (follow)
        {
            await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
