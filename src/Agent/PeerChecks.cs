using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>The classic mistakes of a mesh that is connected and still does not do what was meant. Pure.</summary>
internal static class PeerChecks
{
    public static IEnumerable<string> Run(LocalObjects objects, MeshView view, NodeDocument? forwarder) =>
        Masquerading(view, forwarder).Concat(OneSided(objects, view));

    /// <summary>A peer's pod CIDR that is neither routed natively nor exempt: its pods would see the node's address.</summary>
    private static IEnumerable<string> Masquerading(MeshView view, NodeDocument? forwarder)
    {
        if (forwarder?.Masquerade is not { Enabled: true } masquerade)
        {
            yield break;
        }

        IpPrefix[] exempt =
        [
            .. masquerade.NonMasqueradeCidrs.Append(forwarder.Routing.Ipv4NativeRoutingCidr).Append(forwarder.Routing.Ipv6NativeRoutingCidr)
                .Select(text => IpPrefix.TryParse(text, out IpPrefix cidr) ? cidr : default(IpPrefix?)).OfType<IpPrefix>(),
        ];
        foreach (IpPrefix cidr in view.Nodes.SelectMany(n => n.PodCidrs).Distinct().Order())
        {
            if (!exempt.Any(e => e.Contains(cidr.Address) && e.Length <= cidr.Length))
            {
                yield return $"pods of {cidr} see this node's address instead of our pods': it is not exempt from masquerading; add {cidr} to masquerade.nonMasqueradeCIDRs";
            }
        }
    }

    /// <summary>Another cluster shares a service that is not global here, so that its backends are not used.</summary>
    private static IEnumerable<string> OneSided(LocalObjects objects, MeshView view) =>
        from cluster in view.Clusters.Values
        from key in cluster.Services.Keys.Order(StringComparer.Ordinal)
        let known = objects.Services.GetValueOrDefault(key)
        where known is null || !GlobalSettings.Of(known.Annotations).IsGlobal
        select known is null
            ? $"cluster {cluster.Name} shares service {key}, which does not exist here; apply it here too to use it"
            : $"cluster {cluster.Name} shares service {key}, which is not global here; annotate it with {GlobalSettings.GlobalKey}=true to use it";
}
