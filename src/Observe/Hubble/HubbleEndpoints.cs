using ClusterMesh.Datapath.Observe.Relay;
using ClusterMesh.Datapath.Observe.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace ClusterMesh.Datapath.Observe;

/// <summary>Puts Hubble's API into an ASP.NET Core program whose server speaks HTTP/2 on the socket that clients use.</summary>
public static class HubbleEndpoints
{
    /// <summary>For one node: observer, peers and health.</summary>
    public static IServiceCollection AddHubble(this IServiceCollection services, FlowStore store, ObserverNode node, PeerList peers)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddGrpc();
        services.TryAddSingleton(TimeProvider.System);
        return services.AddSingleton(store).AddSingleton(node).AddSingleton(peers)
            .AddSingleton<ObserverService>().AddSingleton<PeerService>().AddSingleton<HealthService>();
    }

    /// <summary>For all nodes of <paramref name="peers"/>, behind one address. Beside <see cref="AddHubble"/> only in a program of its own: both are the observer.</summary>
    public static IServiceCollection AddHubbleRelay(this IServiceCollection services, PeerList peers, RelaySettings settings)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddGrpc();
        services.TryAddSingleton(TimeProvider.System);
        return services.AddSingleton(peers).AddSingleton(settings).AddSingleton<PeerConnections>()
            .AddSingleton<RelayService>().AddSingleton<PeerService>().AddSingleton<HealthService>();
    }

    public static IEndpointRouteBuilder MapHubble(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGrpcService<ObserverService>();
        return MapOthers(endpoints);
    }

    public static IEndpointRouteBuilder MapHubbleRelay(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGrpcService<RelayService>();
        return MapOthers(endpoints);
    }

    private static IEndpointRouteBuilder MapOthers(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGrpcService<PeerService>();
        endpoints.MapGrpcService<HealthService>();
        return endpoints;
    }
}
