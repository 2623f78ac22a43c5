using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>A route of the kernel's main table that leaves by a TAP.</summary>
/// <param name="Via">The next hop; null for a destination on the link itself.</param>
/// <param name="OnLink">Believe that the next hop is on this link even where no other route says so.</param>
/// <param name="Source">Which of the namespace's addresses its own packets then have; null leaves it to the kernel.</param>
public sealed record TapRoute(IpPrefix Prefix, IpAddress? Via = null, bool OnLink = false, RouteProtocol Protocol = RouteProtocol.Boot, IpAddress? Source = null)
{
    /// <summary>What a pod with a /32 or /128 needs: the router on the link, everything else by the router (as Cilium sets it).</summary>
    public static IReadOnlyList<TapRoute> ThroughRouter(IpAddress router) =>
    [
        new(IpPrefix.Host(router)),
        new(IpPrefix.Containing(router.IsIpv4 ? IpAddress.AnyIpv4 : default, 0), router),
    ];

    public override string ToString() => Via is { } via ? $"{Prefix} via {via}" : Prefix.ToString();
}
