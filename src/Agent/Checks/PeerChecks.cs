using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent.Checks;

/// <summary>The classic mistakes of a mesh that is connected and still does not do what was meant. Pure.</summary>
internal static class PeerChecks
{
    /// <summary>Services that are global here and that a cluster which has been listed does not share; it may be meant so.</summary>
    /// <param name="synced">Names of those clusters.</param>
    public static IEnumerable<string> Hints(LocalObjects objects, MeshView view, IEnumerable<string> synced) =>
        from service in objects.Services.Values
        where GlobalSettings.Of(service.Annotations).IsGlobal
        from cluster in synced
        where !view.Clusters.TryGetValue(cluster, out ClusterView? known) || !known.Services.ContainsKey(service.Key)
        select $"service {service.Key} is global here and cluster {cluster} shares none of that name; apply and annotate it there too to have its backends";

    /// <summary>Another cluster's way of routing is not in what it publishes; connect has written it into its file.</summary>
    public static IEnumerable<string> RoutingModes(string? own, IEnumerable<(string Cluster, string? RoutingMode)> files) =>
        from file in files
        where own is not null && file.RoutingMode is not null && file.RoutingMode != own
        select $"cluster {file.Cluster} routes by '{file.RoutingMode}', this node by '{own}': packets between them are lost; use one mode in the whole mesh";

    /// <summary>What this agent's file and its forwarder's say of the cluster is the same.</summary>
    public static IEnumerable<string> OwnForwarder(AgentSettings settings, NodeDocument? forwarder)
    {
        if (forwarder is null)
        {
            yield break;
        }

        if (settings.RoutingMode is { } mode && forwarder.Routing.Mode != mode)
        {
            yield return $"this node's forwarder routes by '{forwarder.Routing.Mode}', its cluster {settings.Cluster} by '{mode}': packets between them are lost; use one mode in the whole mesh";
        }

        if (forwarder.Node.ClusterId != 0 && forwarder.Node.ClusterId != settings.ClusterId)
        {
            yield return $"this node's forwarder has cluster id {forwarder.Node.ClusterId}, its agent {settings.ClusterId}: identities are judged by the wrong cluster; give both the same";
        }

        if (forwarder.Node.MaxConnectedClusters is { } most && most != settings.MaxConnectedClusters)
        {
            yield return $"this node's forwarder has maxConnectedClusters {most}, its agent {settings.MaxConnectedClusters}: identities are cut at different bits; give both the same";
        }
    }

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
