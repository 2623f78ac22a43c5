using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>Gateways and the next hops of routes: hosts that the node can reach without a router.</summary>
internal static class NextHop
{
    public static IpAddress Parse(string? text, IReadOnlyList<InterfaceAddress> addresses, Place place)
    {
        IpAddress hop = ValueParser.UnicastAddress(text, place);
        bool onLink = false;
        foreach (InterfaceAddress address in addresses)
        {
            if (address.Address == hop)
            {
                throw place.Refuse($"{hop} is the node's own address; name a router");
            }

            if (ValueParser.ReservedUse(address.OnLink, hop) is string use)
            {
                throw place.Refuse($"{hop} is the {use} of {address.OnLink}; name a router");
            }

            // Every link that has IPv6 has fe80::/10 (RFC 4291 section 2.8).
            onLink |= address.OnLink.Contains(hop) || (!hop.IsIpv4 && hop.IsLinkLocal && !address.Address.IsIpv4);
        }

        return onLink
            ? hop
            : throw place.Refuse($"{hop} is not on the node network {string.Join(", ", addresses.Select(a => a.OnLink).Distinct())}; name a router there");
    }
}
