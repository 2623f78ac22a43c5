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

        yield return new CounterRow("fragment", "first", "packets", live.Fragments.FirstCount);
        yield return new CounterRow("fragment", "followed", "packets", live.Fragments.FollowedCount);
        yield return new CounterRow("fragment", "missed", "packets", live.Fragments.MissedCount);
        yield return new CounterRow("fragment", "evicted", "packets", live.Fragments.EvictedCount);
        yield return new CounterRow("fragment", "held", "packets", live.Fragments.Hold?.HeldCount ?? 0);
        yield return new CounterRow("table", "conntrack", "found", live.Conntrack.FoundCount);
        yield return new CounterRow("table", "conntrack", "inserted", live.Conntrack.InsertedCount);
        yield return new CounterRow("table", "conntrack", "expired", live.Conntrack.ExpiredCount);
        yield return new CounterRow("table", "conntrack", "deleted", live.Conntrack.DeletedCount);
        yield return new CounterRow("table", "conntrack", "failures", live.Conntrack.FailureCount);
        yield return new CounterRow("garbage", "conntrack", "runs", live.Garbage.RunCount);
        yield return new CounterRow("garbage", "conntrack", "intervalSeconds", (ulong)live.Garbage.IntervalSeconds);
        yield return new CounterRow("table", "snat", "inserted", live.Snat.InsertedCount);
        yield return new CounterRow("table", "snat", "collisions", live.Snat.CollisionCount);
        yield return new CounterRow("table", "snat", "failures", live.Snat.FailureCount);
        yield return new CounterRow("table", "snat", "expired", live.Snat.ExpiredCount);
        yield return new CounterRow("table", "snat", "deleted", live.Snat.DeletedCount);
    }
}
