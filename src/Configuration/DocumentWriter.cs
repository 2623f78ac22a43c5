using System.Globalization;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// Typed specs -> the effective configuration, every default filled in. Read as a node file it gives the same specs again,
/// their sources aside.
/// </summary>
public static class DocumentWriter
{
    /// <param name="local">What is fixed.</param>
    /// <param name="socketPath">Where the control socket is.</param>
    /// <param name="current">All that is in force now; lists that are null are written empty.</param>
    public static NodeDocument Write(LocalNodeSpec local, string socketPath, DesiredChange current)
    {
        ArgumentNullException.ThrowIfNull(local);
        ArgumentNullException.ThrowIfNull(current);
        return new NodeDocument
        {
            Node = new NodeSection
            {
                Name = local.Name,
                Cluster = local.Cluster,
                ClusterId = local.ClusterId,
                Addresses = [.. local.Addresses.Select(a => $"{a.Address}/{a.OnLink.FamilyLength}")],
                PodCidrs = Texts(local.PodCidrs),
                Labels = local.Labels.Count == 0 ? null : new SortedDictionary<string, string>(local.Labels.ToDictionary(), StringComparer.Ordinal),
                RouterAddresses = Texts(local.RouterAddresses),
                MaxConnectedClusters = local.MaxConnectedClusters,
            },
            Socket = socketPath,
            Host = local.Host is HostPortSpec host ? Host(host) : null,
            Uplink = local.Uplink is UplinkPortSpec uplink ? Uplink(uplink) : null,
            Routing = TunnelTranslator.Write(local.Tunnel) with
            {
                Mtu = local.Mtu,
                AutoDirectNodeRoutes = local.AutoDirectNodeRoutes,
                Ipv4NativeRoutingCidr = NativeCidr(local, isIpv4: true),
                Ipv6NativeRoutingCidr = NativeCidr(local, isIpv4: false),
            },
            LoadBalancer = LoadBalancer(local.LoadBalancer),
            Masquerade = current.Masquerade is MasqueradeSpec masquerade ? Masquerade(masquerade, local) : null,
            Tables = new TablesSection
            {
                ConntrackEntries = local.ConntrackEntries,
                SnatEntries = local.SnatEntries,
                AffinityEntries = local.AffinityEntries,
                NodePortRange = string.Create(CultureInfo.InvariantCulture, $"{local.NodePortFirst}-{local.NodePortLast}"),
            },
            Flows = FlowsTranslator.Write(local.Flows),
            Policy = PolicyTranslator.Write(local.Policy),
            Endpoints = [.. (current.Endpoints ?? []).Select(Endpoint)],
            Nodes = [.. (current.Nodes ?? []).Select(Node)],
            Routes = [.. (current.Routes ?? []).Select(r => new RouteDocument { Prefix = r.Prefix.ToString(), Via = r.Via.ToString() })],
            Services = [.. (current.Services ?? []).Select(ServiceWriter.Write)],
            Ipcache = current.Ipcache is null ? null : [.. current.Ipcache.Select(IdentityTranslator.Write)],
            Policies = current.Policies is null ? null : [.. current.Policies.Select(PolicyTranslator.Write)],
            Identities = current.Identities is null ? null : [.. current.Identities.Select(IdentityTranslator.Write)],
        };
    }

    private static HostSection Host(HostPortSpec host) => new()
    {
        Namespace = host.Namespace,
        Interface = host.Interface,
        Mac = host.Mac.ToString(),
        InstallRoutes = host.InstallRoutes,
        Offloads = OffloadText.Write(host.Offloads),
    };

    private static UplinkSection Uplink(UplinkPortSpec uplink) => new()
    {
        Namespace = uplink.Namespace,
        Interface = uplink.Interface,
        Bridge = uplink.Bridge,
        Mac = uplink.Mac.ToString(),
        Gateways = Texts(uplink.Gateways),
        SharedMemory = uplink.SharedMemory,
        EnableIpv6Ndp = uplink.ProxiesNeighbors,
        Offloads = OffloadText.Write(uplink.Offloads),
    };

    // Several CIDRs of a family come from the pod CIDRs only, and do so again when the field is absent.
    private static string? NativeCidr(LocalNodeSpec local, bool isIpv4)
    {
        List<IpPrefix> cidrs = [.. local.NativeRoutingCidrs.Where(c => c.IsIpv4 == isIpv4)];
        return cidrs.Count == 1 ? cidrs[0].ToString() : null;
    }

    // The list holds the link-local CIDRs already; the two switches say whether they were put there.
    private static MasqueradeSection Masquerade(MasqueradeSpec masquerade, LocalNodeSpec local) => local.Flows.IpMasqAgentConfigPath is not null
        ? new() { Enabled = masquerade.Enabled }
        : new()
        {
            Enabled = masquerade.Enabled,
            NonMasqueradeCidrs = Texts(masquerade.NonMasqueradeCidrs),
            MasqLinkLocal = LinkLocal.IsIpv4Used(local) && !masquerade.NonMasqueradeCidrs.Contains(LinkLocal.Ipv4),
            MasqLinkLocalIpv6 = LinkLocal.IsIpv6Used(local) && !masquerade.NonMasqueradeCidrs.Contains(LinkLocal.Ipv6),
        };

    private static EndpointDocument Endpoint(EndpointSpec endpoint) => new()
    {
        Name = endpoint.Name,
        Namespace = endpoint.Namespace,
        Interface = endpoint.Interface,
        Mac = endpoint.Mac.ToString(),
        Addresses = Texts(endpoint.Addresses),
        Offloads = OffloadText.Write(endpoint.Offloads),
    };

    private static RemoteNodeDocument Node(NodeSpec node) => new()
    {
        Name = node.Name,
        Cluster = node.Cluster,
        ClusterId = node.ClusterId,
        TunnelMac = node.TunnelMac == default ? null : node.TunnelMac.ToString(),
        Addresses = Texts(node.Addresses),
        PodCidrs = Texts(node.PodCidrs),
    };

    private static LoadBalancerSection LoadBalancer(LoadBalancerSpec spec) => new()
    {
        Algorithm = spec.Algorithm == LoadBalancingAlgorithm.Maglev ? "maglev" : "random",
        Mode = spec.Forwarding.ToString().ToLowerInvariant(),
        MaglevTableSize = spec.MaglevTableSize,
        MaglevHashSeed = spec.MaglevSeed.ToString(),
        ExternalClusterIp = spec.IsClusterIpExternal,
        SourceRangeAllTypes = spec.HasSourceRangesOnAllTypes,
        ServiceTopology = spec.HasServiceTopology,
        ServiceLoopbackIpv4 = spec.LoopbackIpv4.ToString(),
    };

    private static string[] Texts<T>(IReadOnlyList<T> values)
        where T : struct => [.. values.Select(v => v.ToString()!)];
}
