using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>Events by what they say: the source of hubble_flows_processed_total and hubble_drop_total. Guarded by the store's lock.</summary>
public sealed class FlowCounters
{
    private const int Kinds = 8;
    private const int SubTypes = 256;
    private const int Verdicts = 8;

    private static readonly string[] s_protocols = ["Unknown", "TCP", "UDP", "ICMPv4", "ICMPv6", "SCTP"];

    // Indexed by kind, point or reason, verdict, protocol: small enough to be plain, and no look-up for an event.
    private readonly ulong[] _counts = new ulong[Kinds * SubTypes * Verdicts * s_protocols.Length];

    internal FlowCounters()
    {
    }

    private FlowCounters(ulong[] counts)
    {
        _counts = counts;
    }

    /// <summary>What there is, without the zeros.</summary>
    public IEnumerable<FlowCount> Rows => _counts.Index().Where(row => row.Item > 0).Select(row => new FlowCount(
        (FlowEventKind)(row.Index / s_protocols.Length / Verdicts / SubTypes),
        (byte)(row.Index / s_protocols.Length / Verdicts % SubTypes),
        (FlowVerdict)(row.Index / s_protocols.Length % Verdicts),
        s_protocols[row.Index % s_protocols.Length],
        row.Item));

    internal void Add(in FlowRecord record)
    {
        int subType = record.Kind == FlowEventKind.Trace ? (int)record.ObservationPoint : (int)record.DropReason;
        int row = ((((int)record.Kind & (Kinds - 1)) * SubTypes + subType) * Verdicts + ((int)record.Verdict & (Verdicts - 1))) * s_protocols.Length;
        _counts[row + IndexOf(record.Protocol)]++;
    }

    internal FlowCounters Copy() => new([.. _counts]);

    private static int IndexOf(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => 1,
        IpProtocol.Udp => 2,
        IpProtocol.Icmp => 3,
        IpProtocol.Icmpv6 => 4,
        IpProtocol.Sctp => 5,
        _ => 0,
    };
}
