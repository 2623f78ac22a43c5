using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Compile;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>
/// What no two objects may have in common, and what one needs of another. Each violation is one sentence that names both. What was there
/// before is in the right: the one to blame is the one that came.
/// </summary>
public static class DesiredRules
{
    /// <param name="next">The whole wanted state.</param>
    /// <param name="difference">How it was made of the one before, which held: only what can newly clash is looked at.</param>
    /// <param name="services">The services that are there, as they were compiled.</param>
    /// <exception cref="ConfigurationException">The first violation found.</exception>
    internal static void Check(DesiredState next, DesiredDifference difference, ServiceCompiler services)
    {
        if (difference.Endpoints.Come.Count + difference.Nodes.Come.Count > 0)
        {
            CheckEndpoints(next, difference.Endpoints.Come);
            CheckAddresses(next, difference);
        }

        if (difference.Nodes.Come.Count > 0)
        {
            CheckNodes(next, difference.Nodes.Come);
        }

        if (difference.Endpoints.Come.Count + difference.Nodes.Come.Count + difference.Routes.Come.Count > 0)
        {
            CheckRoutes(next, difference);
        }

        if (difference.Services.Come.Count > 0)
        {
            ServiceRules.Check(next.Local, difference.Services, services.FrontendCount, services.OwnerOf);
        }
    }

    /// <summary>Those that stay as they were, then those that came.</summary>
    internal static IEnumerable<TSpec> ByAge<TSpec>(IEnumerable<TSpec> all, IReadOnlyList<TSpec> come)
        where TSpec : class => Old(all, come).Concat(come);

    private static IEnumerable<TSpec> Old<TSpec>(IEnumerable<TSpec> all, IReadOnlyList<TSpec> come)
        where TSpec : class
    {
        var young = new HashSet<TSpec>(come, ReferenceEqualityComparer.Instance);
        return all.Where(spec => !young.Contains(spec));
    }

    private static void CheckEndpoints(DesiredState state, IReadOnlyList<EndpointSpec> come)
    {
        // A host and an uplink are ports too.
        int most = Port.MaxCount - 2;
        if (state.Endpoints.Count > most)
        {
            throw new ConfigurationException($"{state.Endpoints.Count} endpoints are more than the {most} that one forwarder serves; use several nodes");
        }

        var interfaces = new Dictionary<(string, string), string>();
        foreach (EndpointSpec endpoint in ByAge(state.Endpoints.Values, come))
        {
            if (endpoint.Name is StateWriter.HostName or StateWriter.UplinkName)
            {
                throw new ConfigurationException(
                    $"{endpoint.Source}: endpoint {endpoint.Name}: '{endpoint.Name}' is the name of the node's own port; "
                    + $"give the endpoint another one, such as default/{endpoint.Name}");
            }

            if (!interfaces.TryAdd((endpoint.Namespace, endpoint.Interface), endpoint.Name))
            {
                throw new ConfigurationException(
                    $"{endpoint.Source}: endpoint {endpoint.Name}: interface {endpoint.Interface} in namespace {endpoint.Namespace} is that of "
                    + $"endpoint {interfaces[(endpoint.Namespace, endpoint.Interface)]} already; give each pod a namespace of its own");
            }
        }
    }

    private static void CheckAddresses(DesiredState state, DesiredDifference difference)
    {
        var owners = new Dictionary<IpAddress, string>();
        foreach (InterfaceAddress own in state.Local.Addresses)
        {
            owners[own.Address] = "this node";
        }

        foreach (IpAddress router in state.Local.RouterAddresses)
        {
            owners[router] = "this node's router address";
        }

        IEnumerable<(string, string, IReadOnlyList<IpAddress>)> claims = Old(state.Nodes.Values, difference.Nodes.Come).Select(ClaimOf)
            .Concat(Old(state.Endpoints.Values, difference.Endpoints.Come).Select(ClaimOf))
            .Concat(difference.Nodes.Come.Select(ClaimOf))
            .Concat(difference.Endpoints.Come.Select(ClaimOf));
        foreach ((string claimant, string source, IReadOnlyList<IpAddress> addresses) in claims)
        {
            foreach (IpAddress address in addresses)
            {
                if (owners.TryGetValue(address, out string? owner))
                {
                    throw new ConfigurationException($"{source}: {claimant}: address {address} is that of {owner} already; give each its own");
                }

                owners[address] = claimant;
            }
        }
    }

    private static (string Claimant, string Source, IReadOnlyList<IpAddress> Addresses) ClaimOf(NodeSpec node) => (NameOf(node), node.Source, node.Addresses);

    private static (string Claimant, string Source, IReadOnlyList<IpAddress> Addresses) ClaimOf(EndpointSpec endpoint) =>
        ($"endpoint {endpoint.Name}", endpoint.Source, endpoint.Addresses);

    private static string NameOf(NodeSpec node) => $"node {DesiredState.NodeKey(node.Cluster, node.Name)}";

    private static void CheckNodes(DesiredState state, IReadOnlyList<NodeSpec> come)
    {
        foreach (NodeSpec node in come)
        {
            if (node.Cluster == state.Local.Cluster && node.Name == state.Local.Name)
            {
                throw new ConfigurationException($"{node.Source}: {NameOf(node)} is this node itself; list only the others");
            }

            if (state.Local.Tunnel is { } tunnel)
            {
                CheckTunnel(state.Local, node, tunnel);
            }

            foreach (IpPrefix cidr in state.Local.AutoDirectNodeRoutes && state.Local.Tunnel is null ? node.PodCidrs : [])
            {
                CheckDirectlyReachable(state.Local, node, cidr, NameOf(node));
            }
        }

        CheckPodCidrs(state, come);
    }

    private static void CheckTunnel(LocalNodeSpec local, NodeSpec node, TunnelSpec tunnel)
    {
        if (local.Uplink is null)
        {
            throw new ConfigurationException($"{node.Source}: {NameOf(node)}: this node has no uplink to reach it by; add an uplink section");
        }

        if (TunnelCompiler.AddressOf(node, tunnel) == default)
        {
            string family = tunnel.IsIpv4 ? "IPv4" : "IPv6";
            throw new ConfigurationException($"{node.Source}: {NameOf(node)}: tunnels run over {family} here, and the node has no such address; add one to its addresses");
        }
    }

    private static void CheckPodCidrs(DesiredState state, IReadOnlyList<NodeSpec> come)
    {
        var cidrs = new List<(IpPrefix Prefix, int Age, string Owner, string Source)>();
        foreach (IpPrefix own in state.Local.PodCidrs)
        {
            cidrs.Add((own, cidrs.Count, "this node", state.Local.Source));
        }

        foreach (NodeSpec node in ByAge(state.Nodes.Values, come))
        {
            foreach (IpPrefix cidr in node.PodCidrs)
            {
                cidrs.Add((cidr, cidrs.Count, NameOf(node), node.Source));
            }
        }

        // Each family by itself, as the 16 bytes of IPv4 lie amid those of IPv6. In address order the first overlap is with the one just before.
        cidrs.Sort((a, b) => (a.Prefix.IsIpv4, a.Prefix).CompareTo((b.Prefix.IsIpv4, b.Prefix)));
        for (int i = 1; i < cidrs.Count; i++)
        {
            if (cidrs[i - 1].Prefix.Overlaps(cidrs[i].Prefix))
            {
                (var old, var young) = cidrs[i - 1].Age < cidrs[i].Age ? (cidrs[i - 1], cidrs[i]) : (cidrs[i], cidrs[i - 1]);
                throw new ConfigurationException(
                    $"{young.Source}: {young.Owner}: pod CIDR {young.Prefix} overlaps {old.Prefix} of {old.Owner}; pod CIDRs must be distinct in the whole mesh");
            }
        }
    }

    private static void CheckDirectlyReachable(LocalNodeSpec local, NodeSpec node, IpPrefix cidr, string name)
    {
        if (local.Uplink is null)
        {
            throw new ConfigurationException($"{node.Source}: {name}: this node has no uplink to reach it by; add an uplink section");
        }

        bool hasFamily = node.Addresses.Any(a => a.IsIpv4 == cidr.IsIpv4);
        if (!hasFamily)
        {
            throw new ConfigurationException($"{node.Source}: {name}: pod CIDR {cidr} needs a node address of its family; add one to addresses");
        }

        foreach (IpAddress address in node.Addresses.Where(a => a.IsIpv4 == cidr.IsIpv4))
        {
            if (!local.Addresses.Any(own => own.OnLink.Contains(address)))
            {
                throw new ConfigurationException(
                    $"{node.Source}: {name}: address {address} must be directly reachable, but it is not in {string.Join(" or ", local.Addresses.Select(a => a.OnLink))}; "
                    + "put the nodes on one network or turn autoDirectNodeRoutes off and give routes");
            }
        }
    }

    private static void CheckRoutes(DesiredState state, DesiredDifference difference)
    {
        Dictionary<IpPrefix, string> given = RoutesOfNode(state.Local);
        foreach (NodeSpec node in state.Local.HasNodeRoutes ? state.Nodes.Values : [])
        {
            foreach (IpPrefix cidr in node.PodCidrs)
            {
                if (!given.TryAdd(cidr, NameOf(node)))
                {
                    throw new ConfigurationException($"{node.Source}: {NameOf(node)}: pod CIDR {cidr}: {given[cidr]} gives that route already; remove one of the two");
                }
            }
        }

        foreach (EndpointSpec endpoint in state.Endpoints.Values)
        {
            foreach (IpAddress address in endpoint.Addresses)
            {
                if (!given.TryAdd(IpPrefix.Host(address), $"endpoint {endpoint.Name}"))
                {
                    throw new ConfigurationException(
                        $"{endpoint.Source}: endpoint {endpoint.Name}: address {address} is all of pod CIDR {IpPrefix.Host(address)} of {given[IpPrefix.Host(address)]}; give each its own");
                }
            }
        }

        foreach (RouteSpec route in difference.Routes.Come)
        {
            CheckGiven(given, route);
            if (state.Local.Uplink is null || !state.Local.Addresses.Any(own => own.OnLink.Contains(route.Via)))
            {
                throw new ConfigurationException($"{route.Source}: route {route.Prefix}: next hop {route.Via} is not on the node network; give an address there");
            }
        }

        // What came may give a route that a person has given before.
        foreach (IpPrefix prefix in difference.Nodes.Come.SelectMany(n => n.PodCidrs).Concat(difference.Endpoints.Come.SelectMany(e => e.Addresses).Select(IpPrefix.Host)))
        {
            if (state.Routes.TryGetValue(prefix, out RouteSpec? route))
            {
                CheckGiven(given, route);
            }
        }
    }

    private static void CheckGiven(Dictionary<IpPrefix, string> given, RouteSpec route)
    {
        if (given.TryGetValue(route.Prefix, out string? owner))
        {
            throw new ConfigurationException($"{route.Source}: route {route.Prefix}: {owner} gives that route already; remove one of the two");
        }
    }

    /// <summary>Routes that <see cref="Compile.RouteCompiler.AddLocal"/> makes: one of a person's in their place would take them along when it goes.</summary>
    private static Dictionary<IpPrefix, string> RoutesOfNode(LocalNodeSpec local)
    {
        Dictionary<IpPrefix, string> given = [];
        foreach (IpPrefix cidr in local.PodCidrs)
        {
            given[cidr] = "this node's pod CIDR";
        }

        foreach (InterfaceAddress address in local.Addresses)
        {
            given[address.OnLink] = "this node's network";
        }

        foreach (IpAddress address in local.Addresses.Select(a => a.Address).Concat(local.RouterAddresses))
        {
            given[IpPrefix.Host(address)] = "this node's address";
        }

        foreach (IpAddress gateway in local.Uplink?.Gateways ?? [])
        {
            given[IpPrefix.Containing(gateway, 0)] = "the uplink's gateway";
        }

        return given;
    }
}
