using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using Google.Protobuf.Reflection;

namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>The state's numbers under Cilium's names, and under cmesh_ where Cilium has none.</summary>
public static class MetricsPage
{
    private static readonly EnumDescriptor s_reasons = FlowReflection.Descriptor.FindTypeByName<EnumDescriptor>(nameof(DropReason));

    /// <summary>Families without samples are left out.</summary>
    public static IReadOnlyList<MetricFamily> Of(MetricsState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return [.. Traffic(state).Concat(Mesh(state)).Concat(Tables(state)).Concat(Flows(state)).Concat(Workers(state)).Concat(Processes(state)).Where(family => family.Samples.Count > 0)];
    }

    private static IEnumerable<MetricFamily> Traffic(MetricsState state)
    {
        yield return Counter("cilium_forward_count_total", "Packets forwarded.", state.Forwarded.Select(row => new MetricSample(row.Packets, Direction(row))));
        yield return Counter("cilium_forward_bytes_total", "Bytes forwarded.", state.Forwarded.Select(row => new MetricSample(row.Bytes, Direction(row))));
        yield return Counter("cilium_drop_count_total", "Packets dropped.", state.Dropped.Select(row => new MetricSample(row.Packets, Reason(row), Direction(row))));
        yield return Counter("cilium_drop_bytes_total", "Bytes dropped.", state.Dropped.Select(row => new MetricSample(row.Bytes, Reason(row), Direction(row))));
    }

    private static IEnumerable<MetricFamily> Mesh(MetricsState state)
    {
        IReadOnlyList<RemoteCluster> clusters = state.RemoteClusters;
        yield return Gauge("cilium_clustermesh_remote_clusters", "Remote clusters that the agent is configured for.", [new(clusters.Count)]);
        yield return Gauge("cilium_clustermesh_remote_cluster_nodes", "Nodes of a remote cluster.", clusters.Select(c => new MetricSample(c.NodeCount, Target(c.Name))));
        yield return Gauge("cilium_clustermesh_remote_cluster_endpoints", "Endpoints of a remote cluster.", clusters.Select(c => new MetricSample(c.EndpointCount, Target(c.Name))));
        yield return Gauge("cilium_clustermesh_remote_cluster_services", "Shared services of a remote cluster.", clusters.Select(c => new MetricSample(c.SharedServiceCount, Target(c.Name))));
        yield return Gauge("cilium_clustermesh_remote_cluster_failures", "Failures of the connection to a remote cluster.", clusters.Select(c => new MetricSample(c.FailureCount, Target(c.Name))));
        yield return Gauge("cilium_clustermesh_remote_cluster_last_failure_ts", "Time of the last failure, in seconds since 1970.",
            clusters.Select(c => new MetricSample(c.LastFailure?.ToUnixTimeSeconds() ?? 0, Target(c.Name))));
        yield return Gauge("cilium_clustermesh_remote_cluster_readiness_status", "1 when the remote cluster is ready.", clusters.Select(c => new MetricSample(c.IsReady ? 1 : 0, Target(c.Name))));
        yield return Counter("cilium_clustermesh_remote_cluster_cache_revocations", "How often the cached state of a remote cluster was given up.",
            state.CacheRevocations.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new MetricSample(pair.Value, Target(pair.Key))));
        yield return Gauge("cilium_kvstore_initial_sync_completed", "1 once a kind of state has been synchronized as a whole.",
            state.Stores.Select(s => new MetricSample(s.IsCompleted ? 1 : 0, ("scope", s.Scope), ("source_cluster", s.SourceCluster), ("action", s.Action))));
        yield return Gauge("cilium_kvstore_sync_queue_size", "Changes that wait to be written.",
            state.Stores.Select(s => new MetricSample(s.QueueLength, ("scope", s.Scope), ("source_cluster", s.SourceCluster))));
        yield return Counter("cilium_kvstore_sync_errors_total", "Writes that failed.",
            state.Stores.Select(s => new MetricSample(s.ErrorCount, ("scope", s.Scope), ("source_cluster", s.SourceCluster))));
        yield return Counter("cilium_services_events_total", "Changes of services.", ByName(state.ServiceEvents, "action"));
        yield return Gauge("cilium_identity", "Identities that the agent knows.", ByName(state.Identities, "type"));
    }

    private static IEnumerable<MetricFamily> Tables(MetricsState state)
    {
        if (state.Conntrack is { } conntrack)
        {
            yield return Counter("cilium_datapath_conntrack_gc_runs_total", "Passes over conntrack.", [new(conntrack.Runs, ("status", "completed"))]);
            yield return Gauge("cilium_datapath_conntrack_gc_entries", "Entries at the last pass.", [new(conntrack.Alive, ("status", "alive")), new(conntrack.Deleted, ("status", "deleted"))]);
            yield return Gauge("cilium_datapath_conntrack_gc_duration_seconds", "Duration of the last pass.", [new(conntrack.LastDuration.TotalSeconds, ("status", "completed"))]);
            yield return Counter("cilium_datapath_conntrack_gc_key_fallbacks_total", "Entries that had to be looked for again during a pass.", [new(conntrack.KeyFallbacks)]);
        }

        yield return Gauge("cilium_bpf_map_pressure", "Share of a table that is in use, 0 to 1.",
            state.Tables.Select(t => new MetricSample(t.Capacity == 0 ? 0 : (double)t.Count / t.Capacity, ("map_name", t.Name))));
        yield return Gauge("cmesh_table_entries", "Entries of a table.", state.Tables.Select(t => new MetricSample(t.Count, ("table", t.Name))));
        yield return Gauge("cmesh_table_capacity", "Entries that a table can hold.", state.Tables.Select(t => new MetricSample(t.Capacity, ("table", t.Name))));
        if (state.MostNatMappings is { } most)
        {
            yield return Gauge("cilium_nat_endpoint_max_connection", "SNAT mappings to the remote end that has most of them.", [new(most)]);
        }
    }

    private static IEnumerable<MetricFamily> Flows(MetricsState state)
    {
        FlowCount[] counts = [.. state.FlowCounters?.Rows ?? []];
        yield return Counter("hubble_flows_processed_total", "Flow events.", counts.Select(row => new MetricSample(
            row.Count,
            ("protocol", row.Protocol),
            ("subtype", row.Kind == FlowEventKind.Trace ? FlowWords.Point(row.SubType) : ""),
            ("type", row.Kind.ToString()),
            ("verdict", row.Verdict.ToString().ToUpperInvariant()))));
        yield return Counter("hubble_drop_total", "Dropped packets among the flow events.", counts.Where(row => row.Kind == FlowEventKind.Drop)
            .Select(row => new MetricSample(row.Count, ("protocol", row.Protocol), ("reason", s_reasons.FindValueByNumber(row.SubType)?.Name ?? DropReasonText.Of(row.SubType)))));
        if (state.Flows is { } flows)
        {
            yield return Counter("hubble_lost_events_total", "Flow events that were lost before they were stored.", [new(flows.Lost, ("source", "PERF_EVENT_RING_BUFFER"))]);
            yield return Counter("cmesh_flow_records_refused_total", "Flow records of a version that the agent does not know.", [new(flows.Refused)]);
            yield return Gauge("cmesh_flow_store_entries", "Flow events that can be read.", [new(flows.Count)]);
            yield return Gauge("cmesh_flow_store_capacity", "Flow events that the store can hold.", [new(flows.Capacity)]);
        }
    }

    private static IEnumerable<MetricFamily> Workers(MetricsState state)
    {
        yield return Gauge("cmesh_worker_busy_ratio", "Share of the time in which a worker was not waiting, 0 to 1.",
            state.WorkerBusyShares.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new MetricSample(pair.Value, ("worker", pair.Key))));
        yield return Counter("cmesh_worker_stuck_total", "How often the watchdog found a worker that did not turn.", ByName(state.WorkerStuckCounts, "worker"));
        if (state.ProcessingTime is { } times)
        {
            yield return new("cmesh_packet_processing_seconds", MetricKind.Histogram, "Time of sampled packets within the forwarder.", Histogram(times));
        }
    }

    /// <summary>Names as Prometheus' clients and OpenTelemetry's conventions for .NET have them.</summary>
    private static IEnumerable<MetricFamily> Processes(MetricsState state)
    {
        IReadOnlyList<ProcessMemory> all = state.Processes;
        IEnumerable<MetricSample> Of(Func<ProcessMemory, double> figure) => all.Select(p => new MetricSample(figure(p), ("program", p.Program)));
        yield return Gauge("process_resident_memory_bytes", "Memory of the program, what it shares with others included.", Of(p => p.ResidentBytes));
        yield return Gauge("cmesh_process_own_memory_bytes", "Memory of the program that is neither shared nor a file's.", Of(p => p.OwnBytes));
        yield return Gauge("dotnet_gc_last_collection_heap_size_bytes", "Managed heap after the last collection, gaps included.", Of(p => p.HeapBytes));
        yield return Gauge("dotnet_gc_last_collection_memory_committed_size_bytes", "Memory that the collector has from the kernel.", Of(p => p.CommittedBytes));
        yield return Gauge("cmesh_gc_alive_bytes", "What the last collection of the whole heap left, without gaps.", Of(p => p.AliveBytes));
        yield return Counter("dotnet_gc_heap_total_allocated_bytes_total", "Bytes allocated on the managed heap.", Of(p => p.AllocatedBytes));
        yield return Counter("dotnet_gc_pause_time_seconds_total", "Time in which collections stopped the program.", Of(p => p.PauseSeconds));
        yield return Counter("dotnet_gc_collections_total", "Collections, by the oldest generation that they looked at.",
            all.SelectMany(p => p.Collections.Select((count, generation) => new MetricSample(count, ("program", p.Program), ("gc_heap_generation", $"gen{generation}")))));
    }

    private static List<MetricSample> Histogram(TimeHistogram times)
    {
        List<MetricSample> samples = [];
        ulong sum = 0;
        for (int i = 0; i < times.Counts.Count; i++)
        {
            sum += times.Counts[i];
            string bound = i < times.Bounds.Count ? times.Bounds[i].ToString(System.Globalization.CultureInfo.InvariantCulture) : "+Inf";
            samples.Add(new("_bucket", [("le", bound)], sum));
        }

        samples.Add(new("_sum", [], times.Sum));
        samples.Add(new("_count", [], sum));
        return samples;
    }

    private static IEnumerable<MetricSample> ByName(IReadOnlyDictionary<string, ulong> values, string label) =>
        values.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new MetricSample(pair.Value, (label, pair.Key)));

    private static (string Name, string Value) Target(string cluster) => ("target_cluster", cluster);

    private static (string Name, string Value) Direction(TrafficCount row) => ("direction", row.Direction.ToString().ToUpperInvariant());

    private static (string Name, string Value) Reason(TrafficCount row) => ("reason", DropReasonText.Of(row.DropReason));

    private static MetricFamily Counter(string name, string help, IEnumerable<MetricSample> samples) => new(name, MetricKind.Counter, help, [.. samples]);

    private static MetricFamily Gauge(string name, string help, IEnumerable<MetricSample> samples) => new(name, MetricKind.Gauge, help, [.. samples]);
}
