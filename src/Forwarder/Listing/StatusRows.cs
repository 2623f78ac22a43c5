using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>The forwarder in figures: status, ports, counters.</summary>
internal static class StatusRows
{
    public static StatusReport Report(NodeRuntime node) => node.Read(writer =>
    {
        LiveTables live = node.Live;
        DesiredState desired = writer.Desired;
        string masquerading = desired.Masquerade.Enabled
            ? $"userspace [{string.Join(", ", node.Local.NativeRoutingCidrs)}, {desired.Masquerade.NonMasqueradeCidrs.Count} exempt{(node.Local.Flows.IpMasqAgentConfigPath is { } path ? $" by {path}" : "")}]"
            : "disabled";
        return new StatusReport(
            Program.Version, node.Local.Name, node.Local.Cluster, node.Local.ClusterId, Environment.ProcessId,
            (Environment.TickCount64 - node.StartedAt) / 1000, writer.Version, "native", masquerading, "disabled",
            desired.Endpoints.Count, desired.Nodes.Count, writer.RouteCount, writer.FrontendCount, writer.BackendCount,
            new TableFill(live.Conntrack.Count, live.Conntrack.Capacity),
            new TableFill(live.Snat.Count, live.Snat.Capacity),
            new TableFill(live.Neighbors.Count, live.Neighbors.Capacity),
            [.. PortRows(node, writer)], live.Counters.ForwardedPackets, live.Counters.DroppedPackets, node.Worker.AllocatedBytes);
    });

    public static ListResult<PortRow> Ports(NodeRuntime node, string? cursor, int limit) => node.Read(writer =>
        Page.Of(writer.Version, PortRows(node, writer).OrderBy(ControlKinds.Port.Key, StringComparer.Ordinal), cursor, limit, ControlKinds.Port.Key));

    public static ListResult<CounterRow> Counters(NodeRuntime node, string? cursor, int limit) => node.Read(writer =>
        Page.Of(writer.Version, CounterRows(node, writer).OrderBy(ControlKinds.Counter.Key, StringComparer.Ordinal), cursor, limit, ControlKinds.Counter.Key));

    private static IEnumerable<PortRow> PortRows(NodeRuntime node, StateWriter writer) => writer.Ports.Values.OrderBy(p => p.Id).Select(port =>
    {
        (string ns, string device) = port.Kind switch
        {
            PortKind.Host => (node.Local.Host!.Namespace, node.Local.Host.Interface),
            PortKind.Uplink => (node.Local.Uplink!.Namespace, node.Local.Uplink.Interface),
            _ => (writer.Desired.Endpoints[port.Name].Namespace, writer.Desired.Endpoints[port.Name].Interface),
        };
        string state = node.Worker.IsAttached(port.Id) ? "up"
            : port.Kind == PortKind.Endpoint ? "down: device or namespace is gone; apply the endpoint again once the namespace is back"
            : "down: device or namespace is gone; start the forwarder again once the namespace is back";
        string mac = (port.Kind == PortKind.Uplink ? port.RouterMac : port.StationMac).ToString();
        return new PortRow(port.Id, port.Name, port.Kind.ToString().ToLowerInvariant(), ns, device, mac, port.Mtu, state);
    });

    private static IEnumerable<CounterRow> CounterRows(NodeRuntime node, StateWriter writer)
    {
        DatapathCounters counters = node.Live.Counters;
        foreach (DropReason reason in Enum.GetValues<DropReason>())
        {
            if (counters.DropPackets(reason) > 0)
            {
                yield return new CounterRow("drop", $"{DropReasons.TextOf(reason)} ({(byte)reason})", "packets", counters.DropPackets(reason));
                yield return new CounterRow("drop", $"{DropReasons.TextOf(reason)} ({(byte)reason})", "bytes", counters.DropBytes(reason));
            }
        }

        foreach (Port port in writer.Ports.Values)
        {
            yield return new CounterRow("port", port.Name, "rxPackets", counters.RxPackets(port.Id));
            yield return new CounterRow("port", port.Name, "rxBytes", counters.RxBytes(port.Id));
            yield return new CounterRow("port", port.Name, "txPackets", counters.TxPackets(port.Id));
            yield return new CounterRow("port", port.Name, "txBytes", counters.TxBytes(port.Id));
        }

        foreach ((string peer, ulong sent, ulong received) in node.SharedMemory?.Links ?? [])
        {
            yield return new CounterRow("link", peer, "txPackets", sent);
            yield return new CounterRow("link", peer, "rxPackets", received);
        }

        yield return new CounterRow("worker", "worker-0", "forwardedPackets", counters.ForwardedPackets);
        yield return new CounterRow("worker", "worker-0", "droppedPackets", counters.DroppedPackets);
        yield return new CounterRow("worker", "worker-0", "heldPackets", counters.HeldPackets);
        yield return new CounterRow("worker", "worker-0", "consumedPackets", counters.ConsumedPackets);
        yield return new CounterRow("worker", "worker-0", "allocatedBytes", (ulong)node.Worker.AllocatedBytes);
        foreach (CounterRow row in FlowCounterRows.Of(node.Live))
        {
            yield return row;
        }

        yield return new CounterRow("table", "conntrack", "entries", (ulong)node.Live.Conntrack.Count);
        yield return new CounterRow("table", "snat", "entries", (ulong)node.Live.Snat.Count);
        yield return new CounterRow("table", "affinity", "entries", (ulong)node.Live.Affinities.Count);
        yield return new CounterRow("table", "neighbor", "entries", (ulong)node.Live.Neighbors.Count);
    }
}
