using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// A change document -> typed specs, for files and for requests over the control socket alike. Each object is checked by itself and
/// against its node; what objects must not have in common (addresses, frontends, pod CIDRs) is checked where they are merged.
/// </summary>
public static class ChangeTranslator
{
    /// <param name="document">As it was read; lists that are null change nothing.</param>
    /// <param name="replace">Each list that is present becomes the whole set of its kind.</param>
    /// <param name="local">The node that the change is for: its pod CIDRs, NodePort range and families bound what fits.</param>
    /// <param name="origin">What the specs' sources and the sentences name.</param>
    /// <exception cref="ConfigurationException">The first mistake, in one sentence.</exception>
    public static DesiredChange Translate(ChangeDocument document, bool replace, LocalNodeSpec local, DocumentOrigin origin)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(local);
        ArgumentNullException.ThrowIfNull(origin);
        Place root = Place.Root(origin);
        return new DesiredChange
        {
            Replace = replace,
            Masquerade = document.Masquerade is null ? null : Masquerade(document.Masquerade, local, root.Field("masquerade")),
            Endpoints = Each(document.Endpoints, root.Field("endpoints"), "name", e => e.Name, (e, place) => Endpoint(e, local, place)),
            Nodes = Each(document.Nodes, root.Field("nodes"), "name", n => $"{n.Cluster}/{n.Name}", (n, place) => Node(n, local, place)),
            Routes = Each(document.Routes, root.Field("routes"), "prefix", r => r.Prefix.ToString(), (r, place) => Route(r, local, place)),
            Services = Each(document.Services, root.Field("services"), "name", s => s.Name, (s, place) => ServiceTranslator.Translate(s, local, place)),
            Ipcache = Each(document.Ipcache, root.Field("ipcache"), "prefix", i => i.Prefix.ToString(), (i, place) => IdentityTranslator.Entry(i, local, place)),
            Identities = Each(document.Identities, root.Field("identities"), "id", i => $"{i.Id}", (i, place) => IdentityTranslator.Identity(i, place)),
            Policies = Each(document.Policies, root.Field("policies"), "name", p => p.Name, (p, place) => PolicyTranslator.Policy(p, place)),
        };
    }

    /// <summary>Translates a list whose objects are told apart by a name.</summary>
    private static List<TSpec>? Each<TDocument, TSpec>(
        IReadOnlyList<TDocument>? documents, Place place, string nameField, Func<TSpec, string> nameOf, Func<TDocument, Place, TSpec> translate)
        where TDocument : class
    {
        if (documents is null)
        {
            return null;
        }

        List<TSpec> specs = new(documents.Count);
        Dictionary<string, int> indexes = new(documents.Count, StringComparer.Ordinal);
        for (int i = 0; i < documents.Count; i++)
        {
            Place item = place.Item(i);
            TSpec spec = translate(documents[i] ?? throw item.Refuse("the item is empty; give its fields or remove it"), item);
            if (!indexes.TryAdd(nameOf(spec), i))
            {
                throw item.Field(nameField).Refuse($"'{nameOf(spec)}' is given already at {place.Item(indexes[nameOf(spec)]).Source}; keep one");
            }

            specs.Add(spec);
        }

        return specs;
    }

    private static MasqueradeSpec Masquerade(MasqueradeSection section, LocalNodeSpec local, Place place)
    {
        SortedSet<IpPrefix> cidrs = [];
        IReadOnlyList<string> texts = section.NonMasqueradeCidrs ?? [];
        if (local.Flows.IpMasqAgentConfigPath is { } path && (texts.Count > 0 || section.MasqLinkLocal || section.MasqLinkLocalIpv6))
        {
            throw place.Refuse($"the exemptions come from {ValueText.Quote(path)} (flows.ipMasqAgentConfigPath); write them there");
        }

        for (int i = 0; i < texts.Count; i++)
        {
            cidrs.Add(ValueParser.LooseCidr(texts[i], place.Field("nonMasqueradeCIDRs").Item(i)));
        }

        if (!section.MasqLinkLocal && LinkLocal.IsIpv4Used(local))
        {
            cidrs.Add(LinkLocal.Ipv4);
        }

        if (!section.MasqLinkLocalIpv6 && LinkLocal.IsIpv6Used(local))
        {
            cidrs.Add(LinkLocal.Ipv6);
        }

        return new MasqueradeSpec(section.Enabled, [.. cidrs]);
    }

    private static EndpointSpec Endpoint(EndpointDocument document, LocalNodeSpec local, Place place)
    {
        string name = ValueParser.Name(document.Name, place.Field("name"), "default/curl-pod");
        string ns = ValueParser.Namespace(document.Namespace, place.Field("namespace"));
        string port = ValueParser.Interface(document.Interface, place.Field("interface"));
        string? other = (ns, port) == (local.Host?.Namespace, local.Host?.Interface) ? "host"
            : (ns, port) == (local.Uplink?.Namespace, local.Uplink?.Interface) ? "uplink"
            : null;
        if (other is not null)
        {
            throw place.Field("interface").Refuse($"{port} in namespace {ns} is the node's {other} interface; a pod needs its own");
        }

        MacAddress mac = document.Mac is null
            ? DerivedMac.OfEndpoint(local.Cluster, local.Name, name)
            : ValueParser.Mac(document.Mac, place.Field("mac"));
        return new EndpointSpec(name, ns, port, mac, EndpointAddresses(document.Addresses ?? [], local, place.Field("addresses")), place.Source)
        {
            Offloads = OffloadText.Parse(document.Offloads, place.Field("offloads")),
        };
    }

    private static List<IpAddress> EndpointAddresses(IReadOnlyList<string> texts, LocalNodeSpec local, Place place)
    {
        List<IpAddress> addresses = [];
        for (int i = 0; i < texts.Count; i++)
        {
            Place item = place.Item(i);
            IpAddress address = ValueParser.UnicastAddress(texts[i], item);
            if (addresses.Exists(a => a.IsIpv4 == address.IsIpv4))
            {
                throw item.Refuse($"{address} is a second IPv{(address.IsIpv4 ? 4 : 6)} address; an endpoint has one a family");
            }

            CheckPodAddress(address, local, item);
            addresses.Add(address);
        }

        return addresses.Count > 0 ? addresses : throw place.Refuse("an endpoint needs an address; add one from the node's pod CIDRs");
    }

    private static void CheckPodAddress(IpAddress address, LocalNodeSpec local, Place place)
    {
        if (local.RouterAddresses.Contains(address))
        {
            throw place.Refuse($"{address} is the node's router address; use another one");
        }

        if (address.IsLinkLocal)
        {
            throw place.Refuse($"{address} is a link-local address; use one that other nodes can reach");
        }

        if (local.PodCidrs.Count == 0)
        {
            return;
        }

        // A family without a pod CIDR has no pods: its addresses lie in none.
        IpPrefix? home = local.PodCidrs.Where(c => c.Contains(address)).Select(c => (IpPrefix?)c).FirstOrDefault();
        if (home is not IpPrefix cidr)
        {
            throw place.Refuse($"{address} is outside the node's pod CIDRs {string.Join(", ", local.PodCidrs)}; use an address from there");
        }

        if (ValueParser.ReservedUse(cidr, address) is string use)
        {
            throw place.Refuse($"{address} is the {use} of {cidr}; use an address of one host");
        }
    }

    private static NodeSpec Node(RemoteNodeDocument document, LocalNodeSpec local, Place place)
    {
        string name = ValueParser.NodeName(document.Name, place.Field("name"));
        string cluster = document.Cluster is null ? local.Cluster : ValueParser.ClusterName(document.Cluster, place.Field("cluster"));
        List<IpAddress> addresses = [];
        Place addressesPlace = place.Field("addresses");
        foreach ((int i, string text) in (document.Addresses ?? []).Index())
        {
            IpAddress address = ValueParser.UnicastAddress(text, addressesPlace.Item(i));
            if (addresses.Contains(address))
            {
                throw addressesPlace.Item(i).Refuse($"{address} is given twice; keep one");
            }

            addresses.Add(address);
        }

        if (addresses.Count == 0)
        {
            throw addressesPlace.Refuse("a node needs an address; add the one it has on the node network");
        }

        List<IpPrefix> podCidrs = [];
        foreach ((int i, string text) in (document.PodCidrs ?? []).Index())
        {
            Place item = place.Field("podCIDRs").Item(i);
            IpPrefix cidr = ValueParser.Cidr(text, item);
            if (podCidrs.Exists(c => c.Overlaps(cidr)))
            {
                throw item.Refuse($"{cidr} overlaps another pod CIDR of this node; keep one");
            }

            if (local.AutoDirectNodeRoutes && local.Tunnel is null && !addresses.Exists(a => a.IsIpv4 == cidr.IsIpv4))
            {
                throw item.Refuse($"{cidr} cannot be routed, as the node has no IPv{(cidr.IsIpv4 ? 4 : 6)} address; add one to its addresses");
            }

            podCidrs.Add(cidr);
        }

        return new NodeSpec(name, cluster, addresses, podCidrs, place.Source)
        {
            ClusterId = ValueParser.InRange(document.ClusterId, 0, local.MaxConnectedClusters, place.Field("clusterId"), "cluster id"),
            TunnelMac = document.TunnelMac is null ? default : ValueParser.Mac(document.TunnelMac, place.Field("tunnelMac")),
        };
    }

    private static RouteSpec Route(RouteDocument document, LocalNodeSpec local, Place place)
    {
        IpPrefix prefix = ValueParser.Cidr(document.Prefix, place.Field("prefix"));
        IpAddress via = NextHop.Parse(document.Via, local.Addresses, place.Field("via"));
        return via.IsIpv4 == prefix.IsIpv4
            ? new RouteSpec(prefix, via, place.Source)
            : throw place.Field("via").Refuse($"{via} and the prefix {prefix} are of different families; use an IPv{(prefix.IsIpv4 ? 4 : 6)} next hop");
    }
}
