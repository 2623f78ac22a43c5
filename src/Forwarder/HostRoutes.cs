using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.State.Compile;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Mirrors the routes to other nodes' pods into the host stack's own table (Cilium's autoDirectNodeRoutes), where people look with
/// <c>ip route</c>. Forwarding does not depend on it: a failure is logged, the rest goes on, and the next
/// change tries again.
/// </summary>
internal sealed class HostRoutes : IDisposable
{
    private readonly PortOpener _opener;
    private readonly string _namespace;
    private readonly string _interface;
    private readonly Dictionary<IpPrefix, (IpAddress Via, IpAddress? Source)> _installed = [];
    private HostRouteTable _table;

    public HostRoutes(HostPortSpec host, PortOpener opener)
    {
        _table = HostRouteTable.Open(host.Namespace, opener);
        _opener = opener;
        _namespace = host.Namespace;
        _interface = host.Interface;
    }

    /// <summary>The interface was made anew, perhaps in another namespace of that name: its routes are all to be installed again.</summary>
    public void Renew(DesiredState state)
    {
        _installed.Clear();
        if (Try(() =>
        {
            HostRouteTable opened = HostRouteTable.Open(_namespace, _opener);
            _table.Dispose();
            _table = opened;
        }))
        {
            Update(state);
        }
    }

    public void Update(DesiredState state)
    {
        var wanted = new Dictionary<IpPrefix, (IpAddress Via, IpAddress? Source)>();
        foreach (NodeSpec node in state.Local.HasNodeRoutes ? state.Nodes.Values : [])
        {
            foreach (IpPrefix cidr in node.PodCidrs)
            {
                if (NextHop(state.Local, node, cidr) is IpAddress via)
                {
                    wanted[cidr] = (via, SourceOf(state.Local, cidr));
                }
            }
        }

        foreach (IpPrefix prefix in _installed.Keys.Where(p => !wanted.ContainsKey(p)).ToArray())
        {
            if (Try(() => _table.Delete(prefix)))
            {
                _installed.Remove(prefix);
            }
        }

        foreach ((IpPrefix prefix, (IpAddress Via, IpAddress? Source) route) in wanted)
        {
            bool isInstalled = _installed.TryGetValue(prefix, out (IpAddress Via, IpAddress? Source) present) && present == route;
            if (!isInstalled && Try(() => _table.Replace(prefix, route.Via, _interface, route.Source)))
            {
                _installed[prefix] = route;
            }
        }
    }

    /// <summary>What the host sends is taken from it whatever the next hop; with tunnels the node itself may be out of its reach.</summary>
    private static IpAddress? NextHop(LocalNodeSpec local, NodeSpec node, IpPrefix cidr)
    {
        if (local.Tunnel is null)
        {
            return RouteCompiler.NextHop(node, cidr);
        }

        IEnumerable<IpAddress> candidates = node.Addresses.Where(a => local.Addresses.Any(own => own.OnLink.Contains(a))).Concat(local.Uplink?.Gateways ?? []);
        return candidates.Where(a => a.IsIpv4 == cidr.IsIpv4).Select(a => (IpAddress?)a).FirstOrDefault();
    }

    /// <summary>
    /// Through a tunnel the node is its router's address, as with Cilium (the route's src): the answer then comes by the tunnel, which a network
    /// that knows no pods would not carry otherwise.
    /// </summary>
    private static IpAddress? SourceOf(LocalNodeSpec local, IpPrefix cidr) =>
        local.Tunnel is null ? null : local.RouterAddresses.Where(r => r.IsIpv4 == cidr.IsIpv4).Select(r => (IpAddress?)r).FirstOrDefault();

    public void Dispose() => _table.Dispose();

    private static bool Try(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (DeviceException e)
        {
            Log.Write($"host routes: {e.Message}");
            return false;
        }
    }
}
