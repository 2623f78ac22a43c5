using System.Text.Json;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>What the workers count of their flows, beside packets and drops: sums.</summary>
internal static class FlowCounterRows
{
    private static readonly (IcmpAnswerKind Kind, string Name)[] s_answers =
        [.. Enum.GetValues<IcmpAnswerKind>().Select(k => (k, JsonNamingPolicy.CamelCase.ConvertName(k.ToString())))];

    public static IEnumerable<CounterRow> Of(LiveTables[] live)
    {
        foreach ((IcmpAnswerKind kind, string name) in s_answers)
        {
            (ulong sent, ulong limited) = (0, 0);
            foreach (LiveTables each in live)
            {
                (sent, limited) = (sent + each.Icmp.SentCount(kind), limited + each.Icmp.LimitedCount(kind));
            }

            yield return new CounterRow("icmp", name, "sent", sent);
            yield return new CounterRow("icmp", name, "limited", limited);
        }

        yield return new CounterRow("fragment", "first", "packets", Sum(live, static l => l.Fragments.FirstCount));
        yield return new CounterRow("fragment", "followed", "packets", Sum(live, static l => l.Fragments.FollowedCount));
        yield return new CounterRow("fragment", "missed", "packets", Sum(live, static l => l.Fragments.MissedCount));
        yield return new CounterRow("fragment", "evicted", "packets", Sum(live, static l => l.Fragments.EvictedCount));
        yield return new CounterRow("fragment", "held", "packets", Sum(live, static l => l.Fragments.Hold?.HeldCount ?? 0));
        yield return new CounterRow("source", "flows", "limited", Sum(live, static l => l.Conntrack.Sources?.FlowsLimitedCount ?? 0));
        yield return new CounterRow("source", "newFlows", "limited", Sum(live, static l => l.Conntrack.Sources?.NewFlowsLimitedCount ?? 0));
        yield return new CounterRow("source", "flows", "evicted", Sum(live, static l => l.Conntrack.Sources?.EvictedCount ?? 0));
        yield return new CounterRow("table", "neighbor", "evicted", Sum(live, static l => l.Neighbors.EvictedCount));
        yield return new CounterRow("table", "neighbor", "failures", Sum(live, static l => l.Neighbors.FailureCount));
        yield return new CounterRow("neighbor", "questions", "sent", Sum(live, static l => l.Neighbors.QuestionCount));
        yield return new CounterRow("neighbor", "questions", "limited", Sum(live, static l => l.Neighbors.LimitedCount));
        yield return new CounterRow("table", "conntrack", "found", Sum(live, static l => l.Conntrack.FoundCount));
        yield return new CounterRow("table", "conntrack", "inserted", Sum(live, static l => l.Conntrack.InsertedCount));
        yield return new CounterRow("table", "conntrack", "expired", Sum(live, static l => l.Conntrack.ExpiredCount));
        yield return new CounterRow("table", "conntrack", "deleted", Sum(live, static l => l.Conntrack.DeletedCount));
        yield return new CounterRow("table", "conntrack", "evicted", Sum(live, static l => l.Conntrack.EvictedCount));
        yield return new CounterRow("table", "conntrack", "givenUp", Sum(live, static l => l.Conntrack.Gate?.GivenUpCount ?? 0));
        yield return new CounterRow("table", "conntrack", "failures", Sum(live, static l => l.Conntrack.FailureCount));
        yield return new CounterRow("garbage", "conntrack", "runs", Sum(live, static l => l.Garbage.RunCount));
        yield return new CounterRow("garbage", "conntrack", "intervalSeconds", (ulong)live.Max(l => l.Garbage.IntervalSeconds));
        yield return new CounterRow("table", "snat", "inserted", Sum(live, static l => l.Snat.InsertedCount));
        yield return new CounterRow("table", "snat", "collisions", Sum(live, static l => l.Snat.CollisionCount));
        yield return new CounterRow("table", "snat", "evicted", Sum(live, static l => l.Snat.EvictedCount));
        yield return new CounterRow("table", "snat", "failures", Sum(live, static l => l.Snat.FailureCount));
        yield return new CounterRow("table", "snat", "expired", Sum(live, static l => l.Snat.ExpiredCount));
        yield return new CounterRow("table", "snat", "deleted", Sum(live, static l => l.Snat.DeletedCount));
    }

    private static ulong Sum(LiveTables[] live, Func<LiveTables, ulong> figure)
    {
        ulong sum = 0;
        foreach (LiveTables each in live)
        {
            sum += figure(each);
        }

        return sum;
    }
}
