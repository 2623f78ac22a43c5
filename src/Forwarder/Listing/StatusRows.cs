using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>The forwarder in figures: status, ports, counters.</summary>
internal static class StatusRows
{
    private static readonly DropReason[] s_reasons = Enum.GetValues<DropReason>();

    public static StatusReport Report(NodeRuntime node) => node.Read(writer =>
    {
        Worker[] workers = [.. node.Workers.Workers];
        DesiredState desired = writer.Desired;
        string masquerading = desired.Masquerade.Enabled
            ? $"userspace [{string.Join(", ", node.Local.NativeRoutingCidrs)}, {desired.Masquerade.NonMasqueradeCidrs.Count} exempt{(node.Local.Flows.MasqueradesIpv6 ? "" : ", IPv6 not")}{(node.Local.Flows.IpMasqAgentConfigPath is { } path ? $" by {path}" : "")}]"
            : "disabled";
        return new StatusReport(
            Program.Version, node.Local.Name, node.Local.Cluster, node.Local.ClusterId, Environment.ProcessId,
            (Environment.TickCount64 - node.StartedAt) / 1000, writer.Version, "native", masquerading, "disabled",
            desired.Endpoints.Count, desired.Nodes.Count, writer.RouteCount, writer.FrontendCount, writer.BackendCount,
            new TableFill(workers.Sum(w => (long)w.Live.Conntrack.Count), workers.Sum(w => (long)w.Live.Conntrack.Capacity)),
            new TableFill(workers.Sum(w => (long)w.Live.Snat.Count), workers.Sum(w => (long)w.Live.Snat.Capacity)),
            new TableFill(NeighborCount(node), workers[0].Live.Neighbors.Capacity),
            [.. PortRows(node, writer)], Sum(node, c => c.ForwardedPackets), Sum(node, c => c.DroppedPackets), workers.Sum(w => w.AllocatedBytes), [.. workers.Select(Row)]);
    });

    public static ListResult<PortRow> Ports(NodeRuntime node, string? cursor, int limit) => node.Read(writer =>
        Page.Of(writer.Version, PortRows(node, writer).OrderBy(ControlKinds.Port.Key, StringComparer.Ordinal), cursor, limit, ControlKinds.Port.Key));

    public static ListResult<CounterRow> Counters(NodeRuntime node, string? cursor, int limit) => node.Read(writer =>
        Page.Of(writer.Version, CounterRows(node, writer).OrderBy(ControlKinds.Counter.Key, StringComparer.Ordinal), cursor, limit, ControlKinds.Counter.Key));

    private static WorkerRow Row(Worker worker) => new(
        worker.Name, worker.EngineName, worker.Live.Counters.ForwardedPackets, worker.Live.Counters.DroppedPackets, worker.Live.Counters.HandedOverPackets,
        worker.Live.Conntrack.Count, worker.Live.Snat.Count, worker.AllocatedBytes)
    {
        StuckMilliseconds = worker.Pulse?.StuckMilliseconds ?? 0,
        StuckCount = worker.Pulse?.StuckCount ?? 0,
    };

    private static ulong Sum(NodeRuntime node, Func<DatapathCounters, ulong> figure) =>
        node.Workers.Workers.Aggregate(0ul, (sum, worker) => sum + figure(worker.Live.Counters));

    /// <summary>Of what there are hundreds, without garbage: its collection stops the worker.</summary>
    private static ulong Sum<TOf>(DatapathCounters[] all, TOf of, Func<DatapathCounters, TOf, ulong> figure)
    {
        ulong sum = 0;
        foreach (DatapathCounters counters in all)
        {
            sum += figure(counters, of);
        }

        return sum;
    }

    /// <summary>Of the worker that knows most: what one learns all learn.</summary>
    private static int NeighborCount(NodeRuntime node) => node.Workers.Workers.Max(w => w.Live.Neighbors.Count);

    private static IEnumerable<PortRow> PortRows(NodeRuntime node, StateWriter writer) => writer.Ports.Values.OrderBy(p => p.Id).Select(port =>
    {
        (string ns, string device) = port.Kind switch
        {
            PortKind.Host => (node.Local.Host!.Namespace, node.Local.Host.Interface),
            PortKind.Uplink => (node.Local.Uplink!.Namespace, node.Local.Uplink.Interface),
            _ => (writer.Desired.Endpoints[port.Name].Namespace, writer.Desired.Endpoints[port.Name].Interface),
        };
        string state = node.Workers.IsAttached(port.Id) ? "up"
            : port.Kind == PortKind.Endpoint ? "down: device or namespace is gone; apply the endpoint again once the namespace is back"
            : "down: device or namespace is gone; start the forwarder again once the namespace is back";
        string mac = (port.Kind == PortKind.Uplink ? port.RouterMac : port.StationMac).ToString();
        return new PortRow(port.Id, port.Name, port.Kind.ToString().ToLowerInvariant(), ns, device, mac, port.Mtu, state);
    });

    private static IEnumerable<CounterRow> CounterRows(NodeRuntime node, StateWriter writer)
    {
        DatapathCounters[] all = [.. node.Workers.Workers.Select(w => w.Live.Counters)];
        foreach (DropReason reason in s_reasons)
        {
            ulong dropped = Sum(all, reason, static (c, r) => c.DropPackets(r));
            if (dropped > 0)
            {
                yield return new CounterRow("drop", $"{DropReasons.TextOf(reason)} ({(byte)reason})", "packets", dropped);
                yield return new CounterRow("drop", $"{DropReasons.TextOf(reason)} ({(byte)reason})", "bytes", Sum(all, reason, static (c, r) => c.DropBytes(r)));
            }
        }

        foreach (Port port in writer.Ports.Values)
        {
            yield return new CounterRow("port", port.Name, "rxPackets", Sum(all, port.Id, static (c, id) => c.RxPackets(id)));
            yield return new CounterRow("port", port.Name, "rxBytes", Sum(all, port.Id, static (c, id) => c.RxBytes(id)));
            yield return new CounterRow("port", port.Name, "txPackets", Sum(all, port.Id, static (c, id) => c.TxPackets(id)));
            yield return new CounterRow("port", port.Name, "txBytes", Sum(all, port.Id, static (c, id) => c.TxBytes(id)));
        }

        foreach ((string peer, ulong sent, ulong received) in node.SharedMemory?.Links ?? [])
        {
            yield return new CounterRow("link", peer, "txPackets", sent);
            yield return new CounterRow("link", peer, "rxPackets", received);
        }

        foreach (Worker worker in node.Workers.Workers)
        {
            DatapathCounters counters = worker.Live.Counters;
            yield return new CounterRow("worker", worker.Name, "forwardedPackets", counters.ForwardedPackets);
            yield return new CounterRow("worker", worker.Name, "droppedPackets", counters.DroppedPackets);
            yield return new CounterRow("worker", worker.Name, "heldPackets", counters.HeldPackets);
            yield return new CounterRow("worker", worker.Name, "consumedPackets", counters.ConsumedPackets);
            yield return new CounterRow("worker", worker.Name, "handedOverPackets", counters.HandedOverPackets);
            yield return new CounterRow("worker", worker.Name, "turns", (ulong)worker.TurnCount);
            yield return new CounterRow("worker", worker.Name, "stuck", (ulong)(worker.Pulse?.StuckCount ?? 0));
            yield return new CounterRow("worker", worker.Name, "allocatedBytes", (ulong)worker.AllocatedBytes);
        }

        foreach (CounterRow row in FlowCounterRows.Of([.. node.Workers.Workers.Select(w => w.Live)]))
        {
            yield return row;
        }

        foreach (CounterRow row in ObservationRows.Of(node).Concat(MemoryRows.Read()))
        {
            yield return row;
        }

        yield return new CounterRow("table", "conntrack", "entries", (ulong)node.Workers.Workers.Sum(w => (long)w.Live.Conntrack.Count));
        yield return new CounterRow("table", "snat", "entries", (ulong)node.Workers.Workers.Sum(w => (long)w.Live.Snat.Count));
        yield return new CounterRow("table", "affinity", "entries", (ulong)node.Workers.Workers.Sum(w => (long)w.Live.Affinities.Count));
        yield return new CounterRow("table", "neighbor", "entries", (ulong)NeighborCount(node));
    }
}
