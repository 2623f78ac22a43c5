using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The sections of a node document that are fixed for the life of the process -> <see cref="LocalNodeSpec"/>.</summary>
internal static class NodeTranslator
{
    /// <summary>511 clusters is the most that Cilium's maxConnectedClusters allows.</summary>
    private const int LargestClusterId = 511;

    /// <summary>Cilium's default.</summary>
    private const int FewClusters = 255;

    /// <summary>RFC 791: every host takes 576 bytes.</summary>
    private const int LeastMtu = 576;

    /// <summary>RFC 8200 section 5.</summary>
    private const int LeastIpv6Mtu = 1280;

    /// <summary>65535 less an Ethernet header: the longest frame a TAP carries.</summary>
    private const int LargestMtu = 65521;

    private const int LeastEntries = 1024;
    private const int MostEntries = 64 * 1024 * 1024;

    /// <summary>SNAT takes its ports from those above the NodePorts.</summary>
    private const int LeastSnatPorts = 1024;

    public static LocalNodeSpec Translate(NodeDocument document, DocumentOrigin origin)
    {
        Place root = Place.Root(origin);
        NodeSection section = document.Node;
        Place node = root.Field("node");
        string name = ValueParser.NodeName(section.Name, node.Field("name"));
        string cluster = ValueParser.ClusterName(section.Cluster, node.Field("cluster"));
        int clusterId = ClusterId(section.ClusterId, cluster, node.Field("clusterId"));
        List<IpPrefix> podCidrs = PodCidrs(section.PodCidrs, node.Field("podCIDRs"));
        List<InterfaceAddress> addresses = Addresses(section.Addresses, podCidrs, node.Field("addresses"));
        List<IpAddress> routers = RouterAddresses(section.RouterAddresses, podCidrs, node.Field("routerAddresses"));
        bool usesIpv6 = podCidrs.Exists(c => !c.IsIpv4) || addresses.Exists(a => !a.Address.IsIpv4);

        RoutingSection routing = document.Routing;
        Place routingPlace = root.Field("routing");
        TunnelSpec? tunnel = TunnelTranslator.Translate(routing, addresses, routingPlace);
        int mtu = Mtu(routing.Mtu, usesIpv6, tunnel?.Overhead ?? 0, routingPlace.Field("mtu"));
        FlowOptions flows = FlowsTranslator.Translate(document.Flows, root.Field("flows"));

        // With ip-masq-agent a native-routing CIDR counts only where one is given.
        List<IpPrefix> assumed = flows.IpMasqAgentConfigPath is null ? podCidrs : [];
        List<IpPrefix> native =
        [
            .. NativeCidrs(routing.Ipv4NativeRoutingCidr, isIpv4: true, assumed, routingPlace.Field("ipv4NativeRoutingCIDR")),
            .. NativeCidrs(routing.Ipv6NativeRoutingCidr, isIpv4: false, assumed, routingPlace.Field("ipv6NativeRoutingCIDR")),
        ];

        HostPortSpec? host = document.Host is HostSection h ? Host(h, cluster, name, root.Field("host")) : null;
        UplinkPortSpec? uplink = document.Uplink is UplinkSection u ? Uplink(u, cluster, name, addresses, root.Field("uplink")) : null;
        if (host is not null && uplink is not null && (host.Namespace, host.Interface) == (uplink.Namespace, uplink.Interface))
        {
            throw root.Field("uplink").Field("interface").Refuse(
                $"{uplink.Interface} in namespace {uplink.Namespace} is the host's interface already; name another one");
        }

        LoadBalancerSpec loadBalancer = LoadBalancerTranslator.Translate(document.LoadBalancer, root.Field("loadBalancer"));
        if (tunnel is not null && loadBalancer.Forwarding != Pipeline.ForwardingMode.Snat)
        {
            throw root.Field("loadBalancer").Field("mode").Refuse("direct server return needs routing.mode native; use snat");
        }

        Place tables = root.Field("tables");
        (ushort first, ushort last) = NodePortRange(document.Tables.NodePortRange, tables.Field("nodePortRange"));
        return new LocalNodeSpec(
            name, cluster, clusterId, addresses, podCidrs, routers, DerivedMac.OfRouter(cluster, name), mtu, routing.AutoDirectNodeRoutes,
            native, host, uplink,
            ValueParser.InRange(document.Tables.ConntrackEntries, LeastEntries, MostEntries, tables.Field("conntrackEntries"), "table size"),
            ValueParser.InRange(document.Tables.SnatEntries, LeastEntries, MostEntries, tables.Field("snatEntries"), "table size"),
            first, last, node.Source)
        {
            Labels = new SortedDictionary<string, string>((section.Labels ?? new Dictionary<string, string>()).ToDictionary(), StringComparer.Ordinal),
            LoadBalancer = loadBalancer,
            AffinityEntries = ValueParser.InRange(document.Tables.AffinityEntries, LeastEntries, MostEntries, tables.Field("affinityEntries"), "table size"),
            Flows = flows,
            Tunnel = tunnel,
            MaxConnectedClusters = MaxConnectedClusters(section.MaxConnectedClusters, clusterId, node.Field("maxConnectedClusters")),
            Policy = PolicyTranslator.Options(document.Policy, root.Field("policy")),
        };
    }

    private static int ClusterId(int id, string cluster, Place place)
    {
        ValueParser.InRange(id, 0, LargestClusterId, place, "cluster id");
        return id == 0 || cluster != "default"
            ? id
            : throw place.Refuse("a node of cluster 'default' has cluster id 0; give node.cluster a name of its own to join a mesh");
    }

    private static List<IpPrefix> PodCidrs(IReadOnlyList<string> texts, Place place)
    {
        List<IpPrefix> cidrs = [];
        for (int i = 0; i < texts.Count; i++)
        {
            IpPrefix cidr = ValueParser.Cidr(texts[i], place.Item(i));
            if (cidr.Length > IpPrefix.MaxLength - 2)
            {
                throw place.Item(i).Refuse($"{cidr} has no room for a router and a pod; use /{(cidr.IsIpv4 ? 30 : 126)} or a shorter length");
            }

            int other = cidrs.FindIndex(c => c.Overlaps(cidr));
            if (other >= 0)
            {
                throw place.Item(i).Refuse($"{cidr} overlaps {cidrs[other]} at {place.Item(other).Source}; keep one");
            }

            cidrs.Add(cidr);
        }

        return cidrs;
    }

    private static List<InterfaceAddress> Addresses(IReadOnlyList<string> texts, List<IpPrefix> podCidrs, Place place)
    {
        List<InterfaceAddress> addresses = [];
        for (int i = 0; i < texts.Count; i++)
        {
            Place item = place.Item(i);
            IpPrefix onLink = ValueParser.LooseCidr(texts[i], item, out IpAddress address);
            ValueParser.Unicast(address, item);
            if (ValueParser.ReservedUse(onLink, address) is string use)
            {
                throw item.Refuse($"{address} is the {use} of {onLink}; use an address of one host");
            }

            if (addresses.Exists(a => a.Address == address))
            {
                throw item.Refuse($"{address} is given twice; keep one");
            }

            int podCidr = podCidrs.FindIndex(c => c.Contains(address));
            if (podCidr >= 0)
            {
                throw item.Refuse($"{address} lies in the node's own pod CIDR {podCidrs[podCidr]}; use an address of the node network");
            }

            addresses.Add(new InterfaceAddress(address, onLink));
        }

        return addresses;
    }

    private static List<IpAddress> RouterAddresses(IReadOnlyList<string>? texts, List<IpPrefix> podCidrs, Place place)
    {
        if (texts is null)
        {
            return podCidrs.ConvertAll(c => c.Address with { Low = c.Address.Low + 1 });
        }

        List<IpAddress> routers = [];
        for (int i = 0; i < texts.Count; i++)
        {
            Place item = place.Item(i);
            IpAddress router = ValueParser.UnicastAddress(texts[i], item);
            foreach (IpPrefix cidr in podCidrs)
            {
                if (ValueParser.ReservedUse(cidr, router) is string use)
                {
                    throw item.Refuse($"{router} is the {use} of {cidr}; use an address of one host");
                }
            }

            if (routers.Contains(router))
            {
                throw item.Refuse($"{router} is given twice; keep one");
            }

            routers.Add(router);
        }

        foreach (IpPrefix cidr in podCidrs)
        {
            if (!routers.Exists(r => r.IsIpv4 == cidr.IsIpv4))
            {
                throw place.Refuse($"there is no router address for the pods of {cidr}; add one of that family or leave the list out");
            }
        }

        return routers;
    }

    private static int MaxConnectedClusters(int? given, int clusterId, Place place)
    {
        int count = given ?? (clusterId > FewClusters ? LargestClusterId : FewClusters);
        if (count is not (FewClusters or LargestClusterId))
        {
            throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"{count} is no number of clusters; use {FewClusters} or {LargestClusterId}"));
        }

        return clusterId <= count
            ? count
            : throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"cluster id {clusterId} is above {count}; give {LargestClusterId} in the whole mesh"));
    }

    private static int Mtu(int mtu, bool usesIpv6, int overhead, Place place)
    {
        ValueParser.InRange(mtu, LeastMtu, LargestMtu, place, "MTU");
        int least = (usesIpv6 ? LeastIpv6Mtu : LeastMtu) + overhead;
        return (mtu >= LeastIpv6Mtu || !usesIpv6) && (overhead == 0 || mtu >= least)
            ? mtu
            : throw place.Refuse(overhead == 0
                ? string.Create(CultureInfo.InvariantCulture, $"{mtu} is too small for IPv6, which this node uses; use 1280 or more")
                : string.Create(CultureInfo.InvariantCulture, $"{mtu} leaves too little behind the {overhead} bytes of a tunnel; use {least} or more"));
    }

    private static IEnumerable<IpPrefix> NativeCidrs(string? text, bool isIpv4, List<IpPrefix> podCidrs, Place place)
    {
        if (text is null)
        {
            return podCidrs.Where(c => c.IsIpv4 == isIpv4);
        }

        IpPrefix cidr = ValueParser.Cidr(text, place);
        return cidr.IsIpv4 == isIpv4
            ? [cidr]
            : throw place.Refuse($"{cidr} is not IPv{(isIpv4 ? 4 : 6)}; move it to ipv{(isIpv4 ? 6 : 4)}NativeRoutingCIDR");
    }

    private static HostPortSpec Host(HostSection host, string cluster, string node, Place place) => new(
        ValueParser.Namespace(host.Namespace, place.Field("namespace")),
        ValueParser.Interface(host.Interface, place.Field("interface")),
        host.Mac is null ? DerivedMac.OfHost(cluster, node) : ValueParser.Mac(host.Mac, place.Field("mac")),
        host.InstallRoutes)
    {
        Offloads = OffloadText.Parse(host.Offloads, place.Field("offloads")),
    };

    private static UplinkPortSpec Uplink(UplinkSection uplink, string cluster, string node, List<InterfaceAddress> addresses, Place place)
    {
        if (addresses.Count == 0)
        {
            throw place.Refuse("an uplink needs the node's own address there; add node.addresses such as 172.18.0.5/16");
        }

        return new UplinkPortSpec(
            ValueParser.Namespace(uplink.Namespace, place.Field("namespace")),
            ValueParser.Interface(uplink.Interface, place.Field("interface")),
            uplink.Bridge is null ? null : ValueParser.Interface(uplink.Bridge, place.Field("bridge")),
            uplink.Mac is null ? DerivedMac.OfUplink(cluster, node) : ValueParser.Mac(uplink.Mac, place.Field("mac")),
            Gateways(uplink.Gateways ?? [], addresses, place.Field("gateways")))
        {
            Offloads = OffloadText.Parse(uplink.Offloads, place.Field("offloads")),
            ProxiesNeighbors = uplink.EnableIpv6Ndp,
            SharedMemory = uplink.SharedMemory is null ? null : Directory(uplink.SharedMemory, place.Field("sharedMemory")),
        };
    }

    /// <summary>A socket's path has 107 bytes (unix(7)), of which the name of a node needs some.</summary>
    private static string Directory(string path, Place place) => Path.IsPathRooted(path) && Encoding.UTF8.GetByteCount(path) <= 60
        ? path
        : throw place.Refuse($"expected the path of a directory from / on with at most 60 bytes, such as /run/cmesh/links, found {ValueText.Quote(path)}");

    private static List<IpAddress> Gateways(IReadOnlyList<string> texts, List<InterfaceAddress> addresses, Place place)
    {
        List<IpAddress> gateways = [];
        for (int i = 0; i < texts.Count; i++)
        {
            Place item = place.Item(i);
            IpAddress gateway = NextHop.Parse(texts[i], addresses, item);
            if (gateways.Exists(g => g.IsIpv4 == gateway.IsIpv4))
            {
                throw item.Refuse($"{gateway} is a second IPv{(gateway.IsIpv4 ? 4 : 6)} gateway; keep one a family");
            }

            gateways.Add(gateway);
        }

        return gateways;
    }

    private static (ushort First, ushort Last) NodePortRange(string? text, Place place)
    {
        string[] ends = (text ?? "").Split('-');
        if (ends.Length != 2
            || !ushort.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out ushort first)
            || !ushort.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out ushort last)
            || first == 0 || first > last)
        {
            throw place.Refuse($"expected a range of ports such as 30000-32767, found {ValueText.Quote(text ?? "")}");
        }

        return last <= ushort.MaxValue - LeastSnatPorts
            ? (first, last)
            : throw place.Refuse(string.Create(CultureInfo.InvariantCulture,
                $"a range up to {last} leaves too few ports above it for SNAT; end it at {ushort.MaxValue - LeastSnatPorts} or lower"));
    }
}
