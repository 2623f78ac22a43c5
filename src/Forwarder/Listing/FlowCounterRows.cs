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

        yield return new CounterRow("table", "snat", "inserted", live.Snat.InsertedCount);
        yield return new CounterRow("table", "snat", "collisions", live.Snat.CollisionCount);
        yield return new CounterRow("table", "snat", "failures", live.Snat.FailureCount);
        yield return new CounterRow("table", "snat", "expired", live.Snat.ExpiredCount);
        yield return new CounterRow("table", "snat", "deleted", live.Snat.DeletedCount);
    }
}
