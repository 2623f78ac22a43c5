using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What no two objects may have in common, and what one needs of another. Each violation is one sentence that names both.</summary>
public static class DesiredRules
{
    /// <param name="next">The whole wanted state.</param>
    /// <param name="delta">What is different in it: only rules that this can break are checked.</param>
    /// <exception cref="ConfigurationException">The first violation found.</exception>
    public static void Check(DesiredState next, DesiredDelta delta)
    {
        bool nodesChanged = !delta.Nodes.IsEmpty;
        if (delta.Endpoints.Added.Count > 0 || nodesChanged)
        {
            CheckAddresses(next);
        }

        if (nodesChanged)
        {
            CheckNodes(next);
        }

        if (delta.Routes.Added.Count > 0 || nodesChanged)
        {
            CheckRoutes(next, nodesChanged ? next.Routes.Values : delta.Routes.Added);
        }

        if (delta.Services.Added.Count > 0)
        {
            CheckServices(next);
        }
    }

    private static void CheckAddresses(DesiredState state)
    {
        // A host and an uplink are ports too.
        int most = Port.MaxCount - 2;
        if (state.Endpoints.Count > most)
        {
            throw new ConfigurationException($"{state.Endpoints.Count} endpoints are more than the {most} that one forwarder serves; use several nodes");
        }

        var owners = new Dictionary<IpAddress, string>();
        foreach (InterfaceAddress own in state.Local.Addresses)
        {
            owners[own.Address] = "this node";
        }

        foreach (IpAddress router in state.Local.RouterAddresses)
        {
            owners[router] = "this node's router address";
        }

        foreach (NodeSpec node in state.Nodes.Values)
        {
            foreach (IpAddress address in node.Addresses)
            {
                Claim(owners, address, $"node {node.Cluster}/{node.Name}", node.Source);
            }
        }

        var interfaces = new Dictionary<(string, string), string>();
        foreach (EndpointSpec endpoint in state.Endpoints.Values.OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            foreach (IpAddress address in endpoint.Addresses)
            {
                Claim(owners, address, $"endpoint {endpoint.Name}", endpoint.Source);
            }

            if (!interfaces.TryAdd((endpoint.Namespace, endpoint.Interface), endpoint.Name))
            {
                throw new ConfigurationException(
                    $"{endpoint.Source}: endpoint {endpoint.Name}: interface {endpoint.Interface} in namespace {endpoint.Namespace} is that of "
                    + $"endpoint {interfaces[(endpoint.Namespace, endpoint.Interface)]} already; give each pod a namespace of its own");
            }
        }
    }

    private static void Claim(Dictionary<IpAddress, string> owners, IpAddress address, string claimant, string source)
    {
        if (owners.TryGetValue(address, out string? owner))
        {
            throw new ConfigurationException($"{source}: {claimant}: address {address} is that of {owner} already; give each its own");
        }

        owners[address] = claimant;
    }

    private static void CheckNodes(DesiredState state)
    {
        var cidrs = new List<(IpPrefix Prefix, string Owner, string Source)>();
        foreach (IpPrefix own in state.Local.PodCidrs)
        {
            cidrs.Add((own, "this node", state.Local.Source));
        }

        foreach (NodeSpec node in state.Nodes.Values)
        {
            string name = $"node {node.Cluster}/{node.Name}";
            if (node.Cluster == state.Local.Cluster && node.Name == state.Local.Name)
            {
                throw new ConfigurationException($"{node.Source}: {name} is this node itself; list only the others");
            }

            foreach (IpPrefix cidr in node.PodCidrs)
            {
                cidrs.Add((cidr, name, node.Source));
                if (state.Local.AutoDirectNodeRoutes)
                {
                    CheckDirectlyReachable(state.Local, node, cidr, name);
                }
            }
        }

        // In address order an overlap is always with the one before or one that the one before lies in, so the widest so far is enough.
        cidrs.Sort((a, b) => a.Prefix.CompareTo(b.Prefix));
        for (int i = 1, widest = 0; i < cidrs.Count; i++)
        {
            if (cidrs[widest].Prefix.Overlaps(cidrs[i].Prefix))
            {
                (IpPrefix prefix, string owner, string source) = cidrs[i];
                (IpPrefix other, string otherOwner, string otherSource) = cidrs[widest];
                bool blamesFirst = owner == "this node";
                throw new ConfigurationException(blamesFirst
                    ? $"{otherSource}: {otherOwner}: pod CIDR {other} overlaps {prefix} of {owner}; pod CIDRs must be distinct in the whole mesh"
                    : $"{source}: {owner}: pod CIDR {prefix} overlaps {other} of {otherOwner}; pod CIDRs must be distinct in the whole mesh");
            }

            widest = i;
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

    private static void CheckRoutes(DesiredState state, IEnumerable<RouteSpec> routes)
    {
        Dictionary<IpPrefix, string> derived = [];
        if (state.Local.AutoDirectNodeRoutes)
        {
            foreach (NodeSpec node in state.Nodes.Values)
            {
                foreach (IpPrefix cidr in node.PodCidrs)
                {
                    derived[cidr] = $"node {node.Cluster}/{node.Name}";
                }
            }
        }

        foreach (IpAddress gateway in state.Local.Uplink?.Gateways ?? [])
        {
            derived[IpPrefix.Containing(gateway, 0)] = "the uplink's gateway";
        }

        foreach (RouteSpec route in routes)
        {
            if (derived.TryGetValue(route.Prefix, out string? owner))
            {
                throw new ConfigurationException($"{route.Source}: route {route.Prefix}: {owner} gives that route already; remove one of the two");
            }

            if (state.Local.Uplink is null || !state.Local.Addresses.Any(own => own.OnLink.Contains(route.Via)))
            {
                throw new ConfigurationException($"{route.Source}: route {route.Prefix}: next hop {route.Via} is not on the node network; give an address there");
            }
        }
    }

    private static void CheckServices(DesiredState state)
    {
        var frontends = new Dictionary<(IpAddress, ushort, IpProtocol), string>();
        foreach (ServiceSpec service in state.Services.Values)
        {
            foreach (FrontendSpec frontend in service.Frontends)
            {
                // A NodePort stands for all node addresses: unset is their common name here.
                IpAddress address = frontend.Address ?? default;
                if (!frontends.TryAdd((address, frontend.Port, service.Protocol), service.Name))
                {
                    string where = frontend.Address is null ? $"node port {frontend.Port}" : $"frontend {FlowKey.Endpoint(address, frontend.Port)}";
                    string other = frontends[(address, frontend.Port, service.Protocol)];
                    throw new ConfigurationException(
                        $"{service.Source}: service {service.Name}: {where}/{FlowKey.ProtocolName(service.Protocol)} is that of service {other} already; give each its own");
                }
            }

            if (service.Backends.Distinct().Count() != service.Backends.Count)
            {
                throw new ConfigurationException($"{service.Source}: service {service.Name}: one backend is listed twice; list each address and port once");
            }
        }
    }
}
