using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The routes to other nodes' pods that a node's own network stack follows; they say "proto kernel", as Cilium's direct node routes do.
/// Any thread may use it.
/// </summary>
public sealed class HostRouteTable : IDisposable
{
    private readonly Lock _gate = new();
    private readonly RtNetlink? _netlink; // guarded by _gate: one request and its answer at a time; null where another process has it
    private readonly PortOpener _opener;
    private readonly string _namespace;

    private HostRouteTable(string name, PortOpener opener, RtNetlink? netlink)
    {
        _namespace = name;
        _opener = opener;
        _netlink = netlink;
    }

    /// <param name="name">A name under /run/netns or an absolute path.</param>
    /// <exception cref="DeviceException">The namespace does not exist or may not be entered.</exception>
    public static HostRouteTable Open(string name, PortOpener? opener = null)
    {
        opener ??= PortOpener.Here;
        if (opener.IsElsewhere)
        {
            return new HostRouteTable(name, opener, null);
        }

        using NetworkNamespace ns = NetworkNamespace.Open(name);
        return new HostRouteTable(name, opener, ns.Run(RtNetlink.Open));
    }

    /// <summary>Adds the route, or puts it in the place of the one with the same prefix, whoever made that.</summary>
    /// <param name="via">A next hop that other routes show to be on the link of the interface.</param>
    /// <param name="source">The address that the node's own packets then have; null leaves it to the kernel.</param>
    /// <exception cref="DeviceException">No such interface, or the kernel refuses the next hop or the source.</exception>
    public void Replace(IpPrefix prefix, IpAddress via, string interfaceName, IpAddress? source = null)
    {
        if (_netlink is null)
        {
            _opener.ReplaceRoute(_namespace, interfaceName, prefix, via, source);
            return;
        }

        lock (_gate)
        {
            Link link = _netlink.FindLink(interfaceName)
                ?? throw new DeviceException($"route {prefix} via {via}: interface {interfaceName} does not exist in namespace {_namespace}");
            _netlink.ReplaceRoute(link, new TapRoute(prefix, via, Protocol: RouteProtocol.Kernel, Source: source));
        }
    }

    /// <summary>Removes a route that <see cref="Replace"/> made; on-link routes and those of other protocols stay.</summary>
    /// <returns>False when there is none (the kernel drops routes with their interface).</returns>
    public bool Delete(IpPrefix prefix)
    {
        if (_netlink is null)
        {
            return _opener.DeleteRoute(_namespace, prefix);
        }

        lock (_gate)
        {
            return _netlink.DeleteRoute(prefix, RouteProtocol.Kernel);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _netlink?.Dispose();
        }
    }
}
