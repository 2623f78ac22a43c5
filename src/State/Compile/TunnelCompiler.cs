using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>Makes the tunnels of the other nodes. A node has one number as long as the process lives, by its outer address.</summary>
public sealed class TunnelCompiler(LocalNodeSpec local, TunnelSpec spec)
{
    private const int ManyClusters = 255;

    /// <summary>Bits below the cluster's id: Cilium's ClusterIDShift for 255 and for 511 clusters.</summary>
    private const int WideShift = 16;

    private const int NarrowShift = 15;

    private readonly Dictionary<IpAddress, int> _numberOf = [];

    // What has been heard of the ways stays from change to change; it grows by doubling.
    private long[] _pathMtus = new long[64];

    /// <summary>The address by which a node's tunnel is reached; unset when it has none of the outer family.</summary>
    public static IpAddress AddressOf(NodeSpec node, TunnelSpec spec) => node.Addresses.FirstOrDefault(a => a.IsIpv4 == spec.IsIpv4);

    /// <summary>The destination of inner frames: follows from the outer address, so that a kernel's vxlan device can be given it.</summary>
    public static MacAddress MacOf(IpAddress address) => new(0x0242_0000_0000 | (address.Low & 0xFFFF_FFFF));

    public RouteTarget TargetOf(NodeSpec node)
    {
        IpAddress address = AddressOf(node, spec);
        return new RouteTarget(RouteKind.Tunnel, StateWriter.UplinkPort, address, NumberOf(address));
    }

    /// <param name="routes">By which the far ends are reached.</param>
    public TunnelTable Compile(IEnumerable<NodeSpec> nodes, RouteTable routes)
    {
        var senders = new PrefixTable();
        var endpoints = new List<(int Number, TunnelEndpoint Endpoint)>();
        IpAddress own = local.Addresses.First(a => a.Address.IsIpv4 == spec.IsIpv4).Address;
        foreach (NodeSpec node in nodes)
        {
            IpAddress address = AddressOf(node, spec);
            int number = NumberOf(address);
            MacAddress mac = node.TunnelMac == default ? MacOf(address) : node.TunnelMac;
            endpoints.Add((number, new TunnelEndpoint(address, NextHopTo(address, routes), mac, node.ClusterId, OuterHeaders.MakeTemplate(own, address, spec.Port))));
            foreach (IpAddress each in node.Addresses)
            {
                senders.Set(IpPrefix.Host(each), number);
            }
        }

        var table = new TunnelEndpoint?[_numberOf.Count + 1];
        if (table.Length > _pathMtus.Length)
        {
            // A word that a worker writes into the old one meanwhile is heard again.
            Array.Resize(ref _pathMtus, 2 * table.Length);
        }

        endpoints.ForEach(e => table[e.Number] = e.Endpoint);
        return new TunnelTable(own, spec.Port, local.PodMtu, table, senders.Publish())
        {
            HasChecksum = spec.HasChecksum,
            InheritsDscp = spec.InheritsDscp,
            ClusterShift = local.MaxConnectedClusters > ManyClusters ? NarrowShift : WideShift,
            InnerMac = MacOf(own),
            PathMtus = new PathMtuTable(_pathMtus),
        };
    }

    private static IpAddress NextHopTo(IpAddress address, RouteTable routes) => routes.TryLookup(address, out RouteTarget target, out _)
        ? target.Kind switch
        {
            RouteKind.OnLink => address,
            RouteKind.Gateway => target.NextHop,
            _ => default,
        }
        : default;

    private int NumberOf(IpAddress address)
    {
        if (!_numberOf.TryGetValue(address, out int number))
        {
            number = _numberOf.Count + 1;
            _numberOf.Add(address, number);
        }

        return number;
    }
}
