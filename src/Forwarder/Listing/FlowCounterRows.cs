using System.Text.Json;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>What a worker counts of its flows, beside packets and drops.</summary>
internal static class FlowCounterRows
{
    public static IEnumerable<CounterRow> Of(LiveTables live)
    {
        foreach (IcmpAnswerKind kind in Enum.GetValues<IcmpAnswerKind>())
        {
            string name = JsonNamingPolicy.CamelCase.ConvertName(kind.ToString());
            yield return new CounterRow("icmp", name, "sent", live.Icmp.SentCount(kind));
            yield return new CounterRow("icmp", name, "limited", live.Icmp.LimitedCount(kind));
        }
    }
}
