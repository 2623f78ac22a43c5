using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Keeps the ipcache in step with all who say who is behind an address. Of several about one prefix the first counts: the node itself, what was
/// told, the node's endpoints, the other nodes' addresses, CIDRs of policies. Works by difference: an entry more costs the same among ten or a million.
/// </summary>
public sealed class IpcacheCompiler
{
    private readonly PrefixTable _table = new();
    private readonly IpcacheTargets _targets = new();
    private readonly bool _isDualStack;
    private readonly HashSet<IpPrefix> _own;
    private readonly Dictionary<IpPrefix, int> _endpoints = [];
    private readonly Dictionary<IpPrefix, int> _nodes = [];
    private readonly Dictionary<IpPrefix, uint> _cidrs = [];
    private readonly HashSet<IpPrefix> _touched = [];
    private long _published;

    public IpcacheCompiler(LocalNodeSpec local)
    {
        _isDualStack = local.PodCidrs.Any(c => c.IsIpv4) && local.PodCidrs.Any(c => !c.IsIpv4);
        _own = [.. local.Addresses.Select(a => a.Address).Concat(local.RouterAddresses).Select(IpPrefix.Host)];
        foreach (IpPrefix own in _own)
        {
            Set(own, new IpcacheTarget(default, NumericIdentity.Host, StateWriter.HostPort, 0, IpcacheFlags.None));
        }
    }

    public int Count => _table.Count;

    /// <summary>The node has both families, and the world an identity for each.</summary>
    public bool IsDualStack => _isDualStack;

    /// <param name="next">All that is told, afterwards.</param>
    public void Update(DesiredDifference difference, IReadOnlyDictionary<IpPrefix, IpcacheSpec> next, IReadOnlyDictionary<string, Port> ports)
    {
        Remove(_endpoints, difference.Endpoints.Gone.SelectMany(e => e.Addresses));
        foreach (EndpointSpec endpoint in difference.Endpoints.Come)
        {
            foreach (IpPrefix prefix in endpoint.Addresses.Select(IpPrefix.Host))
            {
                _endpoints[prefix] = ports[endpoint.Name].Id;
                _touched.Add(prefix);
            }
        }

        Remove(_nodes, difference.Nodes.Gone.SelectMany(n => n.Addresses));
        foreach (IpPrefix prefix in difference.Nodes.Come.SelectMany(n => n.Addresses).Select(IpPrefix.Host))
        {
            _nodes[prefix] = 0;
            _touched.Add(prefix);
        }

        _touched.UnionWith(difference.Ipcache.Gone.Select(e => e.Prefix));
        _touched.UnionWith(difference.Ipcache.Come.Select(e => e.Prefix));
        foreach (IpPrefix prefix in _touched)
        {
            if (TargetOf(prefix, next) is { } target)
            {
                Set(prefix, target);
            }
            else
            {
                Remove(prefix);
            }
        }

        _touched.Clear();
    }

    /// <summary>Gives a prefix that policies name an identity of its own, until it is taken away with 0. Before <see cref="Update"/>.</summary>
    public void SetCidr(IpPrefix prefix, uint identity)
    {
        if (identity == 0)
        {
            _cidrs.Remove(prefix);
        }
        else
        {
            _cidrs[prefix] = identity;
        }

        _touched.Add(prefix);
    }

    public IpcacheTable Publish()
    {
        PrefixMap map = _table.Publish();
        _published = map.Version;
        return new IpcacheTable(map, _targets.Targets, _isDualStack);
    }

    /// <summary>Lets the tables use memory again that no worker reads any more.</summary>
    public void Reclaim(long oldestVersionInUse)
    {
        _table.Reclaim(oldestVersionInUse);
        _targets.Reclaim(oldestVersionInUse);
    }

    public IEnumerable<(IpPrefix Prefix, IpcacheTarget Target)> Enumerate() => _table.Enumerate().Select(pair => (pair.Key, _targets[pair.Value]));

    private void Remove(Dictionary<IpPrefix, int> layer, IEnumerable<IpAddress> addresses)
    {
        foreach (IpPrefix prefix in addresses.Select(IpPrefix.Host))
        {
            layer.Remove(prefix);
            _touched.Add(prefix);
        }
    }

    private IpcacheTarget? TargetOf(IpPrefix prefix, IReadOnlyDictionary<IpPrefix, IpcacheSpec> told)
    {
        if (_own.Contains(prefix))
        {
            return new IpcacheTarget(default, NumericIdentity.Host, StateWriter.HostPort, 0, IpcacheFlags.None);
        }

        int port = _endpoints.GetValueOrDefault(prefix, IpcacheTarget.NoPort);
        if (told.TryGetValue(prefix, out IpcacheSpec? entry))
        {
            // What is here is behind no tunnel, whoever says so.
            return port >= 0
                ? new IpcacheTarget(default, entry.Identity, port, 0, IpcacheFlags.None)
                : new IpcacheTarget(entry.TunnelEndpoint, entry.Identity, IpcacheTarget.NoPort, entry.Key, entry.Flags);
        }

        return port >= 0 ? new IpcacheTarget(default, NumericIdentity.Init, port, 0, IpcacheFlags.None)
            : _nodes.ContainsKey(prefix) ? new IpcacheTarget(default, NumericIdentity.RemoteNode, IpcacheTarget.NoPort, 0, IpcacheFlags.None)
            : _cidrs.TryGetValue(prefix, out uint identity) ? new IpcacheTarget(default, identity, IpcacheTarget.NoPort, 0, IpcacheFlags.None)
            : null;
    }

    private void Set(IpPrefix prefix, in IpcacheTarget target)
    {
        bool isHeld = _table.TryGet(prefix, out int before);
        int number = _targets.Take(target);
        _table.Set(prefix, number);
        if (isHeld)
        {
            _targets.Release(before, _published);
        }
    }

    private void Remove(IpPrefix prefix)
    {
        if (_table.TryGet(prefix, out int before))
        {
            _table.Remove(prefix);
            _targets.Release(before, _published);
        }
    }
}
