using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The link-local CIDRs, which are never masqueraded unless a person asks for it (as by Cilium's ip-masq-agent).</summary>
internal static class LinkLocal
{
    /// <summary>RFC 3927.</summary>
    public static IpPrefix Ipv4 { get; } = IpPrefix.Parse("169.254.0.0/16");

    /// <summary>RFC 4291 section 2.5.6.</summary>
    public static IpPrefix Ipv6 { get; } = IpPrefix.Parse("fe80::/10");

    /// <summary>A node whose addresses say nothing is one of IPv4.</summary>
    public static bool IsIpv4Used(LocalNodeSpec local) => !IsIpv6Used(local) || local.Addresses.Any(a => a.Address.IsIpv4) || local.PodCidrs.Any(c => c.IsIpv4);

    public static bool IsIpv6Used(LocalNodeSpec local) => local.Addresses.Any(a => !a.Address.IsIpv4) || local.PodCidrs.Any(c => !c.IsIpv4);
}
