using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What holds for peers of one class, by protocol and port. The rules' port prefixes are flattened into ranges, each with the decision of the rule that
/// counts there; so one search answers what Cilium asks two longest-prefix matches for. Immutable, shared by all peers and endpoints of the same rules.
/// </summary>
/// <param name="starts">For each protocol of <see cref="Slots"/>: where ranges begin, ascending, the first at 0.</param>
/// <param name="decisions">For each range.</param>
public sealed class PortRules(ushort[][] starts, PolicyDecision[][] decisions)
{
    /// <summary>Protocols that pass conntrack, in the order of the tables.</summary>
    public static readonly IpProtocol[] Slots = [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp, IpProtocol.Icmp, IpProtocol.Icmpv6];

    /// <summary>Ranges of all protocols.</summary>
    public int RangeCount => starts.Sum(s => s.Length);

    /// <param name="port">The destination port; of ICMP the type.</param>
    public PolicyDecision Lookup(IpProtocol protocol, ushort port)
    {
        int slot = protocol switch
        {
            IpProtocol.Tcp => 0,
            IpProtocol.Udp => 1,
            IpProtocol.Sctp => 2,
            IpProtocol.Icmp => 3,
            _ => 4,
        };
        ushort[] ranges = starts[slot];
        int low = 0;
        int high = ranges.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >> 1;
            if (ranges[middle] <= port)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return decisions[slot][low];
    }
}
