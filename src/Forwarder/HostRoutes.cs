using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.State.Compile;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Mirrors the routes to other nodes' pods into the host stack's own table (Cilium's autoDirectNodeRoutes), where people look with
/// <c>ip route</c>. Forwarding does not depend on it: a failure is logged and the rest goes on.
/// </summary>
internal sealed class HostRoutes : IDisposable
{
    private readonly HostRouteTable _table;
    private readonly string _interface;
    private readonly Dictionary<IpPrefix, IpAddress> _installed = [];

    public HostRoutes(HostPortSpec host)
    {
        _table = HostRouteTable.Open(host.Namespace);
        _interface = host.Interface;
    }

    public void Update(DesiredState state)
    {
        var wanted = new Dictionary<IpPrefix, IpAddress>();
        foreach (NodeSpec node in state.Local.AutoDirectNodeRoutes ? state.Nodes.Values : [])
        {
            foreach (IpPrefix cidr in node.PodCidrs)
            {
                wanted[cidr] = RouteCompiler.NextHop(node, cidr);
            }
        }

        foreach (IpPrefix prefix in _installed.Keys.Where(p => !wanted.ContainsKey(p)).ToArray())
        {
            Try(() => _table.Delete(prefix));
            _installed.Remove(prefix);
        }

        foreach ((IpPrefix prefix, IpAddress via) in wanted)
        {
            if (!_installed.TryGetValue(prefix, out IpAddress present) || present != via)
            {
                Try(() => _table.Replace(prefix, via, _interface));
                _installed[prefix] = via;
            }
        }
    }

    public void Dispose() => _table.Dispose();

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (DeviceException e)
        {
            Log.Write($"host routes: {e.Message}");
        }
    }
}
