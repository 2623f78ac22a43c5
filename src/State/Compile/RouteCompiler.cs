using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Keeps the prefix table in step with the wanted routes: those of endpoints, nodes, gateways and the person's own. Works by
/// difference, so that one route more costs the same among ten or a million.
/// </summary>
public sealed class RouteCompiler
{
    private readonly PrefixTable _table = new();
    private readonly Dictionary<RouteTarget, int> _indexOf = [];
    private RouteTarget[] _targets = new RouteTarget[16];

    /// <summary>What holds for the whole life of the node.</summary>
    public void AddLocal(LocalNodeSpec local)
    {
        foreach (IpPrefix cidr in local.PodCidrs)
        {
            Set(cidr, new RouteTarget(RouteKind.Unreachable, StateWriter.HostPort, default));
        }

        foreach (InterfaceAddress address in local.Addresses)
        {
            if (local.Uplink is not null)
            {
                Set(address.OnLink, new RouteTarget(RouteKind.OnLink, StateWriter.UplinkPort, default));
            }
        }

        foreach (IpAddress gateway in local.Uplink?.Gateways ?? [])
        {
            Set(IpPrefix.Containing(gateway, 0), new RouteTarget(RouteKind.Gateway, StateWriter.UplinkPort, gateway));
        }

        if (local.Host is not null)
        {
            foreach (IpAddress address in local.Addresses.Select(a => a.Address).Concat(local.RouterAddresses))
            {
                Set(IpPrefix.Host(address), new RouteTarget(RouteKind.Host, StateWriter.HostPort, default));
            }
        }
    }

    /// <param name="tunnels">Null where nodes are reached as they are.</param>
    public void Update(DesiredDifference difference, bool hasNodeRoutes, IReadOnlyDictionary<string, Port> ports, TunnelCompiler? tunnels)
    {
        IReadOnlyList<NodeSpec> nodesGone = hasNodeRoutes ? difference.Nodes.Gone : [];
        IReadOnlyList<NodeSpec> nodesCome = hasNodeRoutes ? difference.Nodes.Come : [];

        // All that goes, of every kind, goes first: a prefix may move from one object to another in one change.
        Remove(difference.Endpoints.Gone.SelectMany(e => e.Addresses).Select(IpPrefix.Host));
        Remove(nodesGone.SelectMany(n => n.PodCidrs));
        Remove(difference.Routes.Gone.Select(r => r.Prefix));
        foreach (EndpointSpec endpoint in difference.Endpoints.Come)
        {
            foreach (IpAddress address in endpoint.Addresses)
            {
                Set(IpPrefix.Host(address), new RouteTarget(RouteKind.Endpoint, ports[endpoint.Name].Id, default));
            }
        }

        foreach (NodeSpec node in nodesCome)
        {
            foreach (IpPrefix cidr in node.PodCidrs)
            {
                Set(cidr, tunnels?.TargetOf(node) ?? new RouteTarget(RouteKind.Node, StateWriter.UplinkPort, NextHop(node, cidr)));
            }
        }

        foreach (RouteSpec route in difference.Routes.Come)
        {
            Set(route.Prefix, new RouteTarget(RouteKind.Gateway, StateWriter.UplinkPort, route.Via));
        }
    }

    public RouteTable Publish() => new(_table.Publish(), _targets);

    /// <summary>Lets the table use memory again that no worker reads any more.</summary>
    public void Reclaim(long oldestVersionInUse) => _table.Reclaim(oldestVersionInUse);

    public int Count => _table.Count;

    public IEnumerable<(IpPrefix Prefix, RouteTarget Target)> Enumerate() => _table.Enumerate().Select(pair => (pair.Key, _targets[pair.Value]));

    /// <summary>The address of a node by which its pods are reached: the first of the CIDR's family.</summary>
    public static IpAddress NextHop(NodeSpec node, IpPrefix cidr) => node.Addresses.First(a => a.IsIpv4 == cidr.IsIpv4);

    private void Remove(IEnumerable<IpPrefix> prefixes)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            _table.Remove(prefix);
        }
    }

    private void Set(IpPrefix prefix, RouteTarget target)
    {
        if (!_indexOf.TryGetValue(target, out int index))
        {
            index = _indexOf.Count;
            _indexOf.Add(target, index);
            if (index == _targets.Length)
            {
                // Published tables keep the array they have; what they can reach in it is never written again.
                Array.Resize(ref _targets, index * 2);
            }

            _targets[index] = target;
        }

        _table.Set(prefix, index);
    }
}
