using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Whose source is translated when it leaves the node. Immutable.</summary>
/// <param name="IsEnabled">Pods are masqueraded; a NodePort's flows to other nodes are translated regardless.</param>
/// <param name="Ipv4Address">The node's address that the world sees; unset when it has none of the family.</param>
/// <param name="NativeRouting">Destinations that route pods' addresses (ipv4NativeRoutingCIDR).</param>
/// <param name="NonMasquerade">Destinations exempt by ip-masq-agent's list.</param>
/// <param name="RemoteNodes">Addresses of the other nodes of the mesh.</param>
public sealed record MasqueradeRules(
    bool IsEnabled, IpAddress Ipv4Address, IpAddress Ipv6Address, PrefixMap NativeRouting, PrefixMap NonMasquerade, PrefixMap RemoteNodes,
    ushort FirstPort, ushort LastPort)
{
    /// <summary>Pods' IPv6 packets are masqueraded.</summary>
    public bool IsIpv6Enabled { get; init; } = IsEnabled;

    /// <summary>Packets to <see cref="RemoteNodes"/> are masqueraded, too (Cilium's enable-remote-node-masquerade).</summary>
    public bool IncludesRemoteNodes { get; init; }

    /// <summary>
    /// The router's addresses, where packets travel in tunnels: what a tunnel's far end gets from a NodePort comes under them, so that the answer comes back by a tunnel.
    /// </summary>
    public IpAddress TunnelIpv4 { get; init; }

    public IpAddress TunnelIpv6 { get; init; }

    /// <summary>There are tunnels.</summary>
    public bool HasTunnels { get; init; }

    /// <param name="isTunnelled">The packet leaves in a tunnel.</param>
    public IpAddress AddressFor(bool isIpv4, bool isTunnelled) => !isTunnelled ? AddressFor(isIpv4) : isIpv4 ? TunnelIpv4 : TunnelIpv6;

    public bool IsEnabledFor(bool isIpv4) => isIpv4 ? IsEnabled : IsIpv6Enabled;

    public IpAddress AddressFor(bool isIpv4) => isIpv4 ? Ipv4Address : Ipv6Address;

    public bool IsOwn(IpAddress address) =>
        address == Ipv4Address || address == Ipv6Address || (HasTunnels && (address == TunnelIpv4 || address == TunnelIpv6));
}
