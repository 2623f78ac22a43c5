using System.Globalization;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>The forwarder about itself: how long packets take, how busy the workers are, who listens to flow events and what was lost on the way.</summary>
internal static class ObservationRows
{
    public static IEnumerable<CounterRow> Of(NodeRuntime node)
    {
        Worker[] workers = [.. node.Workers.Workers];
        foreach (Worker worker in workers)
        {
            if (WorkerTimes.BusyOf(worker.ThreadId) is { } busy)
            {
                yield return new CounterRow("worker", worker.Name, "busyNanoseconds", busy);
            }
        }

        for (int bucket = 0; bucket <= ProcessingTimes.BoundCount; bucket++)
        {
            int each = bucket;
            string bound = bucket == ProcessingTimes.BoundCount ? "more" : ProcessingTimes.BoundOf(bucket).ToString(CultureInfo.InvariantCulture);
            yield return new CounterRow("processing", bound, "packets", workers.Aggregate(0ul, (sum, w) => sum + w.Live.Counters.Times.CountOf(each)));
        }

        yield return new CounterRow("processing", "all", "nanoseconds", workers.Aggregate(0ul, (sum, w) => sum + w.Live.Counters.Times.SumNanoseconds));
        if (node.FlowEvents?.Figures is { } events)
        {
            yield return new CounterRow("event", "flow", "listeners", (ulong)events.ListenerCount);
            yield return new CounterRow("event", "flow", "written", events.WrittenCount);
            yield return new CounterRow("event", "flow", "lost", events.LostCount);
        }
    }
}
