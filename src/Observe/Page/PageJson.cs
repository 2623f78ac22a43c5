using System.Text.Json;
using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Metrics;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using Microsoft.AspNetCore.Http;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>What the page's answers look like.</summary>
internal static class PageJson
{
    private const long NanosecondsOfMillisecond = 1_000_000;

    public static async Task RefuseAsync(HttpContext context, int code, string sentence)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(AgentJson.Write(json => Object(json, () => json.WriteString("error", sentence))), context.RequestAborted).ConfigureAwait(false);
    }

    public static void WriteStatus(Utf8JsonWriter json, PageSource source) => Object(json, () =>
    {
        PageState state = source.State();
        FlowStoreStatus flows = source.Store.Status;
        json.WriteString("node", source.Node.Name);
        json.WriteString("cluster", source.Node.Cluster);
        json.WriteString("version", state.Version);
        WriteComponent(json, "agent", state.Agent.Status.Cilium);
        WriteComponent(json, "store", state.Agent.Status.Kvstore);
        json.WriteStartObject("flows");
        json.WriteNumber("count", flows.Count);
        json.WriteNumber("capacity", flows.Capacity);
        json.WriteNumber("seen", flows.Seen);
        json.WriteNumber("lost", flows.Lost);
        json.WriteNumber("perSecond", Math.Round(flows.Rate, 2));
        json.WriteEndObject();
        Array(json, "warnings", state.Warnings, warning => json.WriteStringValue(warning));
        Array(json, "clusters", state.Agent.Status.RemoteClusters, cluster => WriteCluster(json, cluster));
        Dictionary<string, PageNodeHealth> health = state.Health.GroupBy(h => h.Node).ToDictionary(g => g.Key, g => g.First());
        Array(json, "nodes", state.Agent.Nodes, node => WriteNode(json, node, health.GetValueOrDefault(node.Name)));
        Array(json, "tables", state.Metrics.Tables, table => Object(json, () =>
        {
            json.WriteString("name", table.Name);
            json.WriteNumber("count", table.Count);
            json.WriteNumber("capacity", table.Capacity);
        }));
        Array(json, "workers", state.Metrics.WorkerBusyShares.OrderBy(w => w.Key, StringComparer.Ordinal), worker => Object(json, () =>
        {
            json.WriteString("name", worker.Key);
            json.WriteNumber("busy", Math.Round(worker.Value, 4));
        }));
        Array(json, "traffic", state.Metrics.Forwarded, count => Object(json, () =>
        {
            json.WriteString("direction", count.Direction.ToString().ToUpperInvariant());
            json.WriteNumber("packets", count.Packets);
            json.WriteNumber("bytes", count.Bytes);
        }));
        Array(json, "drops", state.Metrics.Dropped.Where(d => d.Packets > 0).OrderByDescending(d => d.Packets), drop => Object(json, () =>
        {
            json.WriteNumber("reason", drop.DropReason);
            json.WriteString("words", DropReasonText.Of(drop.DropReason));
            json.WriteNumber("packets", drop.Packets);
        }));
    });

    public static void WriteMap(Utf8JsonWriter json, PageSource source, int seconds) => Object(json, () =>
    {
        FlowMap map = source.Map(seconds);
        json.WriteNumber("seconds", seconds);
        json.WriteNumber("events", map.EventCount);
        double span = map.First is long first ? Math.Clamp((source.Clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds - first / 1e9, 1, seconds) : seconds;

        // A full store may have forgotten the beginning of the span: rates are of what is still there.
        double rated = source.Store.Oldest > 0 ? span : seconds;
        json.WriteNumber("ratedSeconds", Math.Round(rated, 1));
        HashSet<PageEnd> ends = [.. map.Arrows.SelectMany(a => new[] { a.Key.From, a.Key.To }), .. Quiet(source)];
        Array(json, "ends", ends.OrderBy(e => e.Id, StringComparer.Ordinal), end => Object(json, () =>
        {
            json.WriteString("id", end.Id);
            WriteEnd(json, end);
        }));
        Array(json, "arrows", map.Arrows.OrderBy(a => a.Key.From.Id, StringComparer.Ordinal).ThenBy(a => a.Key.To.Id, StringComparer.Ordinal), arrow => Object(json, () =>
        {
            json.WriteString("from", arrow.Key.From.Id);
            json.WriteString("to", arrow.Key.To.Id);
            json.WriteNumber("flows", arrow.Value.Flows);
            json.WriteNumber("forwarded", arrow.Value.Forwarded);
            json.WriteNumber("dropped", arrow.Value.Dropped);
            json.WriteNumber("flowsPerSecond", Math.Round(arrow.Value.Flows / rated, 3));
            json.WriteNumber("dropsPerSecond", Math.Round(arrow.Value.Dropped / rated, 3));
            json.WriteNumber("last", arrow.Value.Last / NanosecondsOfMillisecond);
            Array(json, "reasons", arrow.Value.Reasons.OrderByDescending(r => r.Value), reason => Object(json, () =>
            {
                json.WriteNumber("reason", reason.Key);
                json.WriteString("words", DropReasonText.Of(reason.Key));
                json.WriteNumber("count", reason.Value);
            }));
        }));
    });

    /// <summary>The last rows that match, oldest first, as the stream goes on.</summary>
    public static void WriteFlows(Utf8JsonWriter json, PageSource source, PageFlowFilter filter, int last) => Object(json, () =>
    {
        FlowStore store = source.Store;
        ObservedFlow flow = new(source.Node, store.Instance);
        FlowSlot[] batch = new FlowSlot[256];
        List<(FlowSlot Slot, ulong Sequence)> found = [];
        for (ulong end = store.Next; end > store.Oldest && found.Count < last;)
        {
            ulong first = Math.Max(end > (ulong)batch.Length ? end - (ulong)batch.Length : 0, store.Oldest);
            ulong read = first;
            int count = Math.Min(store.Read(ref read, batch), (int)(end - Math.Min(read, end)));
            for (int i = count - 1; i >= 0 && found.Count < last; i--)
            {
                flow.Load(batch[i], read + (ulong)i);
                if (!batch[i].IsNotice && filter.Matches(flow))
                {
                    found.Add((batch[i], read + (ulong)i));
                }
            }

            end = first;
        }

        found.Reverse();
        Array(json, "flows", found, row =>
        {
            flow.Load(row.Slot, row.Sequence);
            WriteFlow(json, flow, row.Sequence);
        });
    });

    public static void WriteReasons(Utf8JsonWriter json) => Object(json, () => Array(json, "reasons",
        Enumerable.Range(1, byte.MaxValue).Where(r => DropExplanations.Of(r) is not null), reason => Object(json, () =>
        {
            json.WriteNumber("reason", reason);
            json.WriteString("words", DropReasonText.Of(reason));
            json.WriteString("when", DropExplanations.Of(reason));
        })));

    public static void WriteFlow(Utf8JsonWriter json, ObservedFlow flow, ulong sequence) => Object(json, () =>
    {
        FlowRecord record = flow.Record;
        json.WriteNumber("id", sequence);
        json.WriteNumber("time", record.Time / NanosecondsOfMillisecond);
        json.WriteString("verdict", record.Verdict.ToString().ToUpperInvariant());
        json.WriteString("event", record.Kind switch
        {
            FlowEventKind.Trace => FlowWords.Point((int)record.ObservationPoint),
            FlowEventKind.Drop => "drop",
            FlowEventKind.PolicyVerdict => "policy-verdict",
            _ => "unknown",
        });
        if (record.Kind != FlowEventKind.Trace && record.DropReason != 0)
        {
            json.WriteNumber("reason", (int)record.DropReason);
            json.WriteString("words", DropReasonText.Of((int)record.DropReason));
        }

        json.WriteString("protocol", record.Protocol switch { IpProtocol.Icmp => "ICMPv4", IpProtocol.Icmpv6 => "ICMPv6", _ => record.Protocol.ToString().ToUpperInvariant() });
        json.WriteString("summary", FlowSummary.Of(record));
        json.WriteBoolean("reply", record.Reply == FlowReply.Yes);
        json.WriteString("interface", flow.InterfaceName);
        json.WriteNumber("length", record.PacketLength);
        WriteSide(json, "source", PageEnd.SourceServiceOf(flow), record.Source, flow.HasPorts ? record.SourcePort : 0, flow.SourceIdentity, flow.SourceLabels);
        WriteSide(json, "destination", PageEnd.DestinationOf(flow), record.Destination, flow.HasPorts ? record.DestinationPort : 0, flow.DestinationIdentity, flow.DestinationLabels);
    });

    private static void WriteSide(Utf8JsonWriter json, string name, PageEnd end, IpAddress address, int port, uint identity, IReadOnlyList<string> labels)
    {
        json.WriteStartObject(name);
        WriteEnd(json, end);
        json.WriteString("address", address.ToString());
        json.WriteNumber("port", port);
        json.WriteNumber("identity", identity);
        Array(json, "labels", labels, label => json.WriteStringValue(label));
        json.WriteEndObject();
    }

    private static void WriteEnd(Utf8JsonWriter json, PageEnd end)
    {
        json.WriteString("kind", end.Kind);
        json.WriteString("cluster", end.Cluster);
        json.WriteString("namespace", end.Namespace);
        json.WriteString("name", end.Name);
    }

    private static void WriteComponent(Utf8JsonWriter json, string name, ComponentStatus status)
    {
        json.WriteStartObject(name);
        json.WriteString("state", status.State);
        json.WriteString("message", status.Message);
        json.WriteEndObject();
    }

    private static void WriteCluster(Utf8JsonWriter json, RemoteCluster cluster) => Object(json, () =>
    {
        json.WriteString("name", cluster.Name);
        json.WriteBoolean("ready", cluster.IsReady);
        json.WriteString("status", cluster.IsConnected ? "connected" : cluster.Status);
        json.WriteNumber("nodes", cluster.NodeCount);
        json.WriteNumber("endpoints", cluster.EndpointCount);
        json.WriteNumber("services", cluster.SharedServiceCount);
        json.WriteNumber("failures", cluster.FailureCount);
    });

    private static void WriteNode(Utf8JsonWriter json, AgentNode node, PageNodeHealth? health) => Object(json, () =>
    {
        json.WriteString("name", node.Name);
        json.WriteString("address", node.Ipv4 ?? node.Ipv6 ?? "");
        json.WriteBoolean("local", node.Source == "local");
        if (health is not null)
        {
            json.WriteBoolean("reachable", health.Problem is null);
            json.WriteString("problem", health.Problem);
            if (health.Milliseconds is double time)
            {
                json.WriteNumber("milliseconds", Math.Round(time, 3));
            }
        }
    });

    /// <summary>Pods and services that are known, whether or not anybody spoke with them.</summary>
    private static IEnumerable<PageEnd> Quiet(PageSource source)
    {
        AgentState agent = source.State().Agent;
        NameTable names = source.Store.Names;
        foreach (AgentAddress pod in agent.Addresses.Where(a => a.Pod.Length > 0))
        {
            if (IpAddress.TryParse(pod.Prefix.Split('/')[0], out IpAddress address) && names.FindEndpoint(address) is { Pod.Length: > 0 } name)
            {
                yield return new PageEnd("pod", name.Cluster, name.Namespace, name.Pod);
            }
        }

        foreach (AgentService service in agent.Services.Where(s => s.Name.Length > 0))
        {
            yield return new PageEnd("service", source.Node.Cluster, service.Namespace, service.Name);
        }
    }

    private static void Object(Utf8JsonWriter json, Action content)
    {
        json.WriteStartObject();
        content();
        json.WriteEndObject();
    }

    private static void Array<T>(Utf8JsonWriter json, string name, IEnumerable<T> rows, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T row in rows)
        {
            write(row);
        }

        json.WriteEndArray();
    }
}
