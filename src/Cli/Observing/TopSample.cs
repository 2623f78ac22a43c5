using System.Diagnostics;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Observing;

/// <summary>The forwarder's counters at one moment.</summary>
/// <param name="Timestamp">Of the stopwatch.</param>
/// <param name="Values">By scope, name and counter.</param>
internal sealed record TopSample(long Timestamp, StatusReport Status, IReadOnlyDictionary<(string Scope, string Name, string Counter), ulong> Values)
{
    public static async Task<TopSample> TakeAsync(ControlClient client, CancellationToken cancellation)
    {
        StatusReport status = await client.GetStatusAsync(cancellation);
        Dictionary<(string, string, string), ulong> values = [];
        long timestamp = Stopwatch.GetTimestamp();
        await foreach (CounterRow row in client.ListAsync(ControlKinds.Counter, cancellation))
        {
            values[(row.Scope, row.Name, row.Counter)] = row.Value;
        }

        return new TopSample(timestamp, status, values);
    }

    /// <summary>Names of a scope that have this counter.</summary>
    public IEnumerable<string> Names(string scope, string counter) => Values.Keys.Where(k => k.Scope == scope && k.Counter == counter).Select(k => k.Name);

    /// <summary>How much a counter grew a second since another sample; of one that began anew, nothing.</summary>
    public double RateSince(TopSample before, string scope, string name, string counter)
    {
        ulong now = Values.GetValueOrDefault((scope, name, counter));
        ulong then = before.Values.GetValueOrDefault((scope, name, counter));
        double seconds = Stopwatch.GetElapsedTime(before.Timestamp, Timestamp).TotalSeconds;
        return now >= then && seconds > 0 ? (now - then) / seconds : 0;
    }
}
