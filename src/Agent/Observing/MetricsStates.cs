using System.Globalization;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Observe.Metrics;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>Makes the page of metrics, from the forwarder's counters and the agent's state, when it is asked for.</summary>
internal sealed partial class MetricsStates(AgentRuntime agent, ObserveHost host)
{
    private static readonly string[] s_scopes = ["nodes/v1", "ip/v1", "identities/v1", "services/v1"];

    /// <summary>Guards what the last question saw: shares are of the time since.</summary>
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (long At, ulong Busy)> _before = [];

    public MetricsState Read()
    {
        StatusReport? status = host.Figures.Status();
        List<CounterRow> counters = host.Figures.List(ControlKinds.Counter);
        Dictionary<string, PortRow> ports = (status?.Ports ?? []).GroupBy(p => p.Name).ToDictionary(g => g.Key, g => g.First());
        ulong Of(string scope, string name, string counter) => counters.FirstOrDefault(c => c.Scope == scope && c.Name == name && c.Counter == counter)?.Value ?? 0;
        return new MetricsState
        {
            Forwarded = status is null ? [] : [Forwarded(counters, ports, FlowDirection.Egress, "rx"), Forwarded(counters, ports, FlowDirection.Ingress, "tx")],
            Dropped = [.. counters.Where(c => c is { Scope: "drop", Counter: "packets" }).Select(c => new TrafficCount(ReasonOf(c.Name), FlowDirection.Unknown, c.Value, Of("drop", c.Name, "bytes")))],
            Conntrack = status is null ? null : new ConntrackSweeps(Of("garbage", "conntrack", "runs"), (ulong)status.Conntrack.Entries, Of("table", "conntrack", "expired"), TimeSpan.Zero, 0),
            Tables = status is null ? [] :
            [
                new("ct4_global", (ulong)status.Conntrack.Entries, (ulong)status.Conntrack.Capacity),
                new("snat_v4_external", (ulong)status.Snat.Entries, (ulong)status.Snat.Capacity),
                new("neighbors", (ulong)status.Neighbors.Entries, (ulong)status.Neighbors.Capacity),
            ],
            RemoteClusters = [.. agent.Remotes.Status.Select(AgentStates.ToCluster)],
            Stores = [.. agent.Remotes.Status.SelectMany(Stores)],
            Identities = Identities(),
            WorkerBusyShares = Shares(counters),
            WorkerStuckCounts = counters.Where(c => c is { Scope: "worker", Counter: "stuck" }).ToDictionary(c => c.Name, c => c.Value),
            ProcessingTime = status is null ? null : Times(counters),
            Processes = [Memory("agent", [.. MemoryRows.Read()]), .. counters.Any(c => c.Scope == "heap") ? [Memory("forwarder", counters)] : Array.Empty<ProcessMemory>()],
            Flows = host.Store.Status,
            FlowCounters = host.Store.Counters,
        };
    }

    /// <summary>What pods sent is egress, what they got ingress.</summary>
    private static TrafficCount Forwarded(List<CounterRow> counters, Dictionary<string, PortRow> ports, FlowDirection direction, string side)
    {
        ulong Sum(string counter) => counters
            .Where(c => c.Scope == "port" && c.Counter == counter && ports.GetValueOrDefault(c.Name)?.Kind == "endpoint").Aggregate(0ul, (sum, c) => sum + c.Value);
        return new TrafficCount(0, direction, Sum($"{side}Packets"), Sum($"{side}Bytes"));
    }

    /// <summary>"Invalid source ip (132)".</summary>
    private static byte ReasonOf(string name) => byte.Parse(ReasonNumber().Match(name).Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    private static IEnumerable<StoreSync> Stores(RemoteStatus s) =>
        s_scopes.Zip((bool[])[s.NodesSynced, s.EndpointsSynced, s.IdentitiesSynced, s.ServicesSynced]).Select(p => new StoreSync(p.First, s.Name, "read", p.Second, 0, 0));

    private static ProcessMemory Memory(string program, List<CounterRow> rows)
    {
        ulong Of(string scope, string name, string counter) => rows.FirstOrDefault(r => r.Scope == scope && r.Name == name && r.Counter == counter)?.Value ?? 0;
        return new ProcessMemory(program)
        {
            ResidentBytes = Of("process", "memory", "residentBytes"),
            OwnBytes = Of("process", "memory", "ownBytes"),
            HeapBytes = Of("heap", "last", "bytes"),
            CommittedBytes = Of("heap", "last", "committedBytes"),
            AliveBytes = Of("heap", "whole", "aliveBytes"),
            AllocatedBytes = Of("heap", "all", "allocatedBytes"),
            PauseSeconds = Of("heap", "all", "pauseNanoseconds") / 1e9,
            // The runtime counts a collection of an older generation for the younger ones, too.
            Collections = [.. Enumerable.Range(0, GC.MaxGeneration + 1).Select(g => Of("heap", $"gen{g}", "collections") - Of("heap", $"gen{g + 1}", "collections"))],
        };
    }

    private static TimeHistogram Times(List<CounterRow> counters)
    {
        (double Bound, ulong Count)[] buckets =
        [
            .. counters.Where(c => c is { Scope: "processing", Counter: "packets" })
                .Select(c => (c.Name == "more" ? double.PositiveInfinity : double.Parse(c.Name, CultureInfo.InvariantCulture) / 1e9, c.Value))
                .OrderBy(b => b.Item1),
        ];
        return new TimeHistogram(
            [.. buckets.Where(b => !double.IsInfinity(b.Bound)).Select(b => b.Bound)], [.. buckets.Select(b => b.Count)],
            counters.Where(c => c is { Scope: "processing", Counter: "nanoseconds" }).Sum(c => c.Value / 1e9));
    }

    private Dictionary<string, ulong> Identities() => new()
    {
        ["reserved"] = (ulong)Enumerable.Range(1, 255).Count(i => Observe.Names.ReservedIdentity.NameOf((uint)i) is not null),
        ["cluster_local"] = (ulong)agent.IdentityNumbers.Count,
        ["remote_cluster"] = (ulong)agent.Remotes.State.Current.Clusters.Values.Sum(c => c.Identities.Count),
    };

    private Dictionary<string, double> Shares(List<CounterRow> counters)
    {
        Dictionary<string, double> shares = [];
        long now = System.Diagnostics.Stopwatch.GetTimestamp();
        lock (_gate)
        {
            foreach (CounterRow row in counters.Where(c => c is { Scope: "worker", Counter: "busyNanoseconds" }))
            {
                if (_before.TryGetValue(row.Name, out (long At, ulong Busy) before) && row.Value >= before.Busy && now > before.At)
                {
                    double elapsed = System.Diagnostics.Stopwatch.GetElapsedTime(before.At, now).TotalNanoseconds;
                    shares[row.Name] = Math.Min(1, (row.Value - before.Busy) / elapsed);
                }

                _before[row.Name] = (now, row.Value);
            }
        }

        return shares;
    }

    [GeneratedRegex(@"\((\d{1,3})\)$")]
    private static partial Regex ReasonNumber();
}
