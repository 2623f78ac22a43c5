using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Observe.Metrics;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Observe.Tests.Metrics;

public sealed partial class MetricsTests
{
    private static MetricsState State
    {
        get
        {
            FlowStore store = Sample.Store();
            store.Add([Sample.Syn(), Sample.Syn(), Sample.Denied(), Sample.Vlan()]);
            store.AddLost(9, Sample.TimeOf(0));
            return new()
            {
                Forwarded = [new(0, FlowDirection.Ingress, 10, 1000), new(0, FlowDirection.Egress, 20, 3000)],
                Dropped = [new(133, FlowDirection.Ingress, 3, 180), new(254, FlowDirection.Egress, 1, 60)],
                Conntrack = new(5, 100, 7, TimeSpan.FromMilliseconds(12), 0),
                Tables = [new("ct4_global", 250_000, 1_000_000), new("none", 0, 0)],
                MostNatMappings = 17,
                RemoteClusters =
                [
                    new() { Name = "east", IsReady = true, NodeCount = 2, EndpointCount = 4, SharedServiceCount = 1, FailureCount = 3, LastFailure = Sample.Time },
                    new() { Name = "sou\"th" },
                ],
                CacheRevocations = new Dictionary<string, ulong> { ["east"] = 1 },
                Stores = [new("nodes/v1", "east", "read", true, 0, 2)],
                ServiceEvents = new Dictionary<string, ulong> { ["add"] = 4, ["delete"] = 1 },
                Identities = new Dictionary<string, ulong> { ["cluster_local"] = 8 },
                WorkerBusyShares = new Dictionary<string, double> { ["0"] = 0.25 },
                WorkerStuckCounts = new Dictionary<string, ulong> { ["0"] = 2 },
                ProcessingTime = new([0.000001, 0.00001], [90, 9, 1], 0.0005),
                Processes =
                [
                    new("agent")
                    {
                        ResidentBytes = 60, OwnBytes = 30, HeapBytes = 20, CommittedBytes = 25, AliveBytes = 10, AllocatedBytes = 700, PauseSeconds = 0.5, Collections = [9, 4, 1],
                    },
                    new("forwarder") { OwnBytes = 70 },
                ],
                Flows = store.Status,
                FlowCounters = store.Counters,
            };
        }
    }

    [Fact]
    public async Task The_page_is_what_Prometheus_reads()
    {
        MetricsState state = State;
        await using RestHost host = await RestHost.StartAsync(application => application.MapMetrics(() => state));
        using HttpResponseMessage response = await host.Client.GetAsync("/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        string page = await response.Content.ReadAsStringAsync();
        string[] lines = [.. page.Split('\n').Where(line => !line.StartsWith('#'))];
        Assert.Equal(
            """
            cilium_forward_count_total{direction="INGRESS"} 10
            cilium_forward_count_total{direction="EGRESS"} 20
            cilium_forward_bytes_total{direction="INGRESS"} 1000
            cilium_forward_bytes_total{direction="EGRESS"} 3000
            cilium_drop_count_total{reason="Policy denied",direction="INGRESS"} 3
            cilium_drop_count_total{reason="Frame is for another station",direction="EGRESS"} 1
            cilium_drop_bytes_total{reason="Policy denied",direction="INGRESS"} 180
            cilium_drop_bytes_total{reason="Frame is for another station",direction="EGRESS"} 60
            cilium_clustermesh_remote_clusters 2
            cilium_clustermesh_remote_cluster_nodes{target_cluster="east"} 2
            cilium_clustermesh_remote_cluster_nodes{target_cluster="sou\"th"} 0
            cilium_clustermesh_remote_cluster_endpoints{target_cluster="east"} 4
            cilium_clustermesh_remote_cluster_endpoints{target_cluster="sou\"th"} 0
            cilium_clustermesh_remote_cluster_services{target_cluster="east"} 1
            cilium_clustermesh_remote_cluster_services{target_cluster="sou\"th"} 0
            cilium_clustermesh_remote_cluster_failures{target_cluster="east"} 3
            cilium_clustermesh_remote_cluster_failures{target_cluster="sou\"th"} 0
            cilium_clustermesh_remote_cluster_last_failure_ts{target_cluster="east"} 1795410127
            cilium_clustermesh_remote_cluster_last_failure_ts{target_cluster="sou\"th"} 0
            cilium_clustermesh_remote_cluster_readiness_status{target_cluster="east"} 1
            cilium_clustermesh_remote_cluster_readiness_status{target_cluster="sou\"th"} 0
            cilium_clustermesh_remote_cluster_cache_revocations{target_cluster="east"} 1
            cilium_kvstore_initial_sync_completed{scope="nodes/v1",source_cluster="east",action="read"} 1
            cilium_kvstore_sync_queue_size{scope="nodes/v1",source_cluster="east"} 0
            cilium_kvstore_sync_errors_total{scope="nodes/v1",source_cluster="east"} 2
            cilium_services_events_total{action="add"} 4
            cilium_services_events_total{action="delete"} 1
            cilium_identity{type="cluster_local"} 8
            cilium_datapath_conntrack_gc_runs_total{status="completed"} 5
            cilium_datapath_conntrack_gc_entries{status="alive"} 100
            cilium_datapath_conntrack_gc_entries{status="deleted"} 7
            cilium_datapath_conntrack_gc_duration_seconds{status="completed"} 0.012
            cilium_datapath_conntrack_gc_key_fallbacks_total 0
            cilium_bpf_map_pressure{map_name="ct4_global"} 0.25
            cilium_bpf_map_pressure{map_name="none"} 0
            cmesh_table_entries{table="ct4_global"} 250000
            cmesh_table_entries{table="none"} 0
            cmesh_table_capacity{table="ct4_global"} 1000000
            cmesh_table_capacity{table="none"} 0
            cilium_nat_endpoint_max_connection 17
            hubble_flows_processed_total{protocol="TCP",subtype="",type="Drop",verdict="DROPPED"} 1
            hubble_flows_processed_total{protocol="Unknown",subtype="",type="Drop",verdict="DROPPED"} 1
            hubble_flows_processed_total{protocol="TCP",subtype="to-network",type="Trace",verdict="FORWARDED"} 2
            hubble_drop_total{protocol="TCP",reason="POLICY_DENIED"} 1
            hubble_drop_total{protocol="Unknown",reason="VLAN_FILTERED"} 1
            hubble_lost_events_total{source="PERF_EVENT_RING_BUFFER"} 9
            cmesh_flow_records_refused_total 0
            cmesh_flow_store_entries 4
            cmesh_flow_store_capacity 64
            cmesh_worker_busy_ratio{worker="0"} 0.25
            cmesh_worker_stuck_total{worker="0"} 2
            cmesh_packet_processing_seconds_bucket{le="1E-06"} 90
            cmesh_packet_processing_seconds_bucket{le="1E-05"} 99
            cmesh_packet_processing_seconds_bucket{le="+Inf"} 100
            cmesh_packet_processing_seconds_sum 0.0005
            cmesh_packet_processing_seconds_count 100
            process_resident_memory_bytes{program="agent"} 60
            process_resident_memory_bytes{program="forwarder"} 0
            cmesh_process_own_memory_bytes{program="agent"} 30
            cmesh_process_own_memory_bytes{program="forwarder"} 70
            dotnet_gc_last_collection_heap_size_bytes{program="agent"} 20
            dotnet_gc_last_collection_heap_size_bytes{program="forwarder"} 0
            dotnet_gc_last_collection_memory_committed_size_bytes{program="agent"} 25
            dotnet_gc_last_collection_memory_committed_size_bytes{program="forwarder"} 0
            cmesh_gc_alive_bytes{program="agent"} 10
            cmesh_gc_alive_bytes{program="forwarder"} 0
            dotnet_gc_heap_total_allocated_bytes_total{program="agent"} 700
            dotnet_gc_heap_total_allocated_bytes_total{program="forwarder"} 0
            dotnet_gc_pause_time_seconds_total{program="agent"} 0.5
            dotnet_gc_pause_time_seconds_total{program="forwarder"} 0
            dotnet_gc_collections_total{program="agent",gc_heap_generation="gen0"} 9
            dotnet_gc_collections_total{program="agent",gc_heap_generation="gen1"} 4
            dotnet_gc_collections_total{program="agent",gc_heap_generation="gen2"} 1

            """,
            string.Join('\n', lines));
    }

    [Fact]
    public void Each_family_says_once_what_it_is()
    {
        string page = MetricsText.Write(MetricsPage.Of(State));
        string[] helps = [.. Help().Matches(page).Select(m => m.Groups[1].Value)];
        string[] types = [.. Type().Matches(page).Select(m => m.Groups[1].Value)];
        Assert.Equal(helps, types);
        Assert.Equal(helps.Distinct(), helps);
        Assert.Contains("# HELP cilium_identity Identities that the agent knows.\n# TYPE cilium_identity gauge\n", page);
        Assert.Contains("# TYPE cmesh_packet_processing_seconds histogram\n", page);
        Assert.All(MetricsPage.Of(State).Where(f => f.Name.EndsWith("_total", StringComparison.Ordinal)), f => Assert.Equal(MetricKind.Counter, f.Kind));
    }

    [Fact]
    public void What_is_unknown_is_left_out() => Assert.Equal(["cilium_clustermesh_remote_clusters"], MetricsPage.Of(new()).Select(f => f.Name));

    [Fact]
    public void Labels_and_help_are_escaped() => Assert.Equal(
        "# HELP a one\\ntwo \\\\\n# TYPE a gauge\na{b=\"\\\\ \\\" \\n\"} +Inf\n",
        MetricsText.Write([new("a", MetricKind.Gauge, "one\ntwo \\", [new(double.PositiveInfinity, ("b", "\\ \" \n"))])]));

    [Fact]
    public void The_dashboard_asks_for_what_is_there()
    {
        HashSet<string> names = [.. MetricsPage.Of(State).SelectMany(f => f.Samples.Select(s => f.Name + s.Suffix))];
        JsonNode dashboard = JsonNode.Parse(File.ReadAllText(Path.Combine(Root(), "lab/grafana-dashboard.json")))!;
        string[] expressions = [.. dashboard["panels"]!.AsArray().SelectMany(p => p!["targets"]!.AsArray()).Select(t => t!["expr"]!.GetValue<string>())];
        Assert.True(expressions.Length >= 13);
        Assert.All(expressions, expression =>
        {
            string[] asked = [.. Metric().Matches(expression).Select(m => m.Value)];
            Assert.NotEmpty(asked);
            Assert.All(asked, name => Assert.Contains(name, names));
        });
        int[] ids = [.. dashboard["panels"]!.AsArray().Select(p => p!["id"]!.GetValue<int>())];
        Assert.Equal(ids.Distinct(), ids);
    }

    private static string Root()
    {
        DirectoryInfo directory = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Directory.Packages.props")))
        {
            directory = directory.Parent!;
        }

        return directory.FullName;
    }

    [GeneratedRegex(@"# HELP (\w+) ")]
    private static partial Regex Help();

    [GeneratedRegex(@"# TYPE (\w+) ")]
    private static partial Regex Type();

    [GeneratedRegex(@"\b(?:cilium|hubble|cmesh)_\w+")]
    private static partial Regex Metric();
}
