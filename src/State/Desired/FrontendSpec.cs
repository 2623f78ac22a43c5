using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Where clients address a service; <paramref name="Address"/> is null for a NodePort or HostPort, which listens on every node address.</summary>
public sealed record FrontendSpec(ServiceType Type, IpAddress? Address, ushort Port)
{
    /// <summary>
    /// Where one without an address of its own stands: on the node's addresses and, for each of their families, on the unspecified one, which no
    /// packet asks for and which Cilium lists too.
    /// </summary>
    internal static IEnumerable<IpAddress> AddressesOf(LocalNodeSpec local)
    {
        IEnumerable<IpAddress> addresses = local.Addresses.Select(a => a.Address);
        return addresses.Concat(addresses.Select(a => a.IsIpv4 ? IpAddress.AnyIpv4 : default).Distinct());
    }
}
