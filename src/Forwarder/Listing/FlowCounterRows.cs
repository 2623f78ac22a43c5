using System.Text.Json;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>What the workers count of their flows, beside packets and drops: sums.</summary>
internal static class FlowCounterRows
{
    public static IEnumerable<CounterRow> Of(LiveTables[] live)
    {
        foreach (IcmpAnswerKind kind in Enum.GetValues<IcmpAnswerKind>())
        {
            string name = JsonNamingPolicy.CamelCase.ConvertName(kind.ToString());
            yield return new CounterRow("icmp", name, "sent", Sum(live, l => l.Icmp.SentCount(kind)));
            yield return new CounterRow("icmp", name, "limited", Sum(live, l => l.Icmp.LimitedCount(kind)));
        }

        yield return new CounterRow("fragment", "first", "packets", Sum(live, l => l.Fragments.FirstCount));
        yield return new CounterRow("fragment", "followed", "packets", Sum(live, l => l.Fragments.FollowedCount));
        yield return new CounterRow("fragment", "missed", "packets", Sum(live, l => l.Fragments.MissedCount));
        yield return new CounterRow("fragment", "evicted", "packets", Sum(live, l => l.Fragments.EvictedCount));
        yield return new CounterRow("fragment", "held", "packets", Sum(live, l => l.Fragments.Hold?.HeldCount ?? 0));
        yield return new CounterRow("source", "flows", "limited", Sum(live, l => l.Conntrack.Sources?.FlowsLimitedCount ?? 0));
        yield return new CounterRow("source", "newFlows", "limited", Sum(live, l => l.Conntrack.Sources?.NewFlowsLimitedCount ?? 0));
        yield return new CounterRow("source", "flows", "evicted", Sum(live, l => l.Conntrack.Sources?.EvictedCount ?? 0));
        yield return new CounterRow("table", "neighbor", "evicted", Sum(live, l => l.Neighbors.EvictedCount));
        yield return new CounterRow("table", "neighbor", "failures", Sum(live, l => l.Neighbors.FailureCount));
        yield return new CounterRow("neighbor", "questions", "sent", Sum(live, l => l.Neighbors.QuestionCount));
        yield return new CounterRow("neighbor", "questions", "limited", Sum(live, l => l.Neighbors.LimitedCount));
        yield return new CounterRow("table", "conntrack", "found", Sum(live, l => l.Conntrack.FoundCount));
        yield return new CounterRow("table", "conntrack", "inserted", Sum(live, l => l.Conntrack.InsertedCount));
        yield return new CounterRow("table", "conntrack", "expired", Sum(live, l => l.Conntrack.ExpiredCount));
        yield return new CounterRow("table", "conntrack", "deleted", Sum(live, l => l.Conntrack.DeletedCount));
        yield return new CounterRow("table", "conntrack", "evicted", Sum(live, l => l.Conntrack.EvictedCount));
        yield return new CounterRow("table", "conntrack", "givenUp", Sum(live, l => l.Conntrack.Gate?.GivenUpCount ?? 0));
        yield return new CounterRow("table", "conntrack", "failures", Sum(live, l => l.Conntrack.FailureCount));
        yield return new CounterRow("garbage", "conntrack", "runs", Sum(live, l => l.Garbage.RunCount));
        yield return new CounterRow("garbage", "conntrack", "intervalSeconds", (ulong)live.Max(l => l.Garbage.IntervalSeconds));
        yield return new CounterRow("table", "snat", "inserted", Sum(live, l => l.Snat.InsertedCount));
        yield return new CounterRow("table", "snat", "collisions", Sum(live, l => l.Snat.CollisionCount));
        yield return new CounterRow("table", "snat", "evicted", Sum(live, l => l.Snat.EvictedCount));
        yield return new CounterRow("table", "snat", "failures", Sum(live, l => l.Snat.FailureCount));
        yield return new CounterRow("table", "snat", "expired", Sum(live, l => l.Snat.ExpiredCount));
        yield return new CounterRow("table", "snat", "deleted", Sum(live, l => l.Snat.DeletedCount));
    }

    private static ulong Sum(LiveTables[] live, Func<LiveTables, ulong> figure) => live.Aggregate(0ul, (sum, l) => sum + figure(l));
}
