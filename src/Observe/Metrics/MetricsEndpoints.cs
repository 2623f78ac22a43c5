using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>The page that Prometheus reads.</summary>
public static class MetricsEndpoints
{
    /// <param name="read">Makes a state for one request; called on any thread.</param>
    public static IEndpointRouteBuilder MapMetrics(this IEndpointRouteBuilder endpoints, Func<MetricsState> read, string path = "/metrics")
    {
        ArgumentNullException.ThrowIfNull(read);
        endpoints.MapGet(path, context => Results.Text(MetricsText.Write(MetricsPage.Of(read())), MetricsText.ContentType).ExecuteAsync(context));
        return endpoints;
    }
}
