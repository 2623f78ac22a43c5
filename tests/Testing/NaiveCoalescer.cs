using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Which packets of a burst belong together, by the rules in words: the twin of coalescing.</summary>
public static class NaiveCoalescer
{
    private const TcpFlags Ending = TcpFlags.Psh | TcpFlags.Fin;

    /// <summary>The burst's packets by index, in groups in the order of their first.</summary>
    public static List<List<int>> Groups(IReadOnlyList<BulkPacket> burst, Predicate<int>? isDamaged = null)
    {
        List<List<int>> groups = [];
        for (int i = 0; i < burst.Count; i++)
        {
            List<int>? last = groups.FindLast(g => IsSameFlow(burst[g[0]], burst[i]));
            if (last is not null && !last.Exists(m => isDamaged?.Invoke(m) == true) && isDamaged?.Invoke(i) != true
                && Follows([.. last.Select(m => burst[m])], burst[i]))
            {
                last.Add(i);
            }
            else
            {
                groups.Add([i]);
            }
        }

        return groups;
    }

    private static bool IsSameFlow(BulkPacket a, BulkPacket b) =>
        (a.Family, a.IsTcp, a.Source, a.SourcePort, a.DestinationPort) == (b.Family, b.IsTcp, b.Source, b.SourcePort, b.DestinationPort);

    private static bool Follows(List<BulkPacket> group, BulkPacket next)
    {
        BulkPacket first = group[0];
        BulkPacket last = group[^1];
        bool isJoinable = IsJoinable(first) && IsJoinable(next) && (last.Flags & Ending) == 0;
        bool hasRoom = last.Payload.Length == first.Payload.Length && next.Payload.Length <= first.Payload.Length
            && first.HeadersLength + group.Sum(p => p.Payload.Length) + next.Payload.Length <= 65_535 && (first.IsTcp || group.Count < 64);
        bool isNext = !first.IsTcp || next.Sequence == last.Sequence + (uint)last.Payload.Length;
        bool isFixed = first.IsDontFragment && next.Id == first.Id && last.Id == first.Id;
        bool isCounting = next.Id == (ushort)(first.Id + group.Count) && last.Id == (ushort)(next.Id - 1);

        return isJoinable && hasRoom && isNext && (!first.IsIpv4 || isFixed || isCounting) && Rest(next) == Rest(first)
            && (next.Flags & ~Ending) == (first.Flags & ~Ending)
            && next.TcpOptions.SequenceEqual(first.TcpOptions) && next.Macs.SequenceEqual(first.Macs);
    }

    /// <summary>What must be equal, as far as the packet has it.</summary>
    private static (int, int, bool, int, uint, int, int, int) Rest(BulkPacket p) => (
        p.TrafficClass, p.HopLimit, p.IsIpv4 && p.IsDontFragment, p.IsIpv4 ? 0 : p.FlowLabel,
        p.IsTcp ? p.Acknowledgment : 0, p.IsTcp ? p.Window : 0, p.IsTcp ? p.Urgent : 0, p.IsTcp ? p.Reserved : 0);

    private static bool IsJoinable(BulkPacket packet) =>
        packet.Payload.Length > 0 && packet.IpOptions.Length == 0 && (packet.Flags & (TcpFlags.Syn | TcpFlags.Rst | TcpFlags.Urg | TcpFlags.Cwr)) == 0;
}
