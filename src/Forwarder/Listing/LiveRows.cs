using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>
/// Rows of the workers' own tables, one worker's behind another's, each copied by its worker a slice at a time so that a long list is not a long
/// pause. A position in the list counts the entries of all tables.
/// </summary>
internal sealed class LiveRows(NodeRuntime node)
{
    /// <summary>Entries looked at between two bursts: some 20 microseconds.</summary>
    private const int SliceLength = 2048;

    public ListResult<ConntrackRow> Conntrack(string? cursor, int limit)
    {
        uint now = Now().Seconds;
        return Collect(
            cursor, limit, l => (l.Conntrack.Count, l.Conntrack.Capacity), (l, i) => l.Conntrack[i], (_, e) => (e.Flags & ConntrackFlags.Used) != 0 && e.Expires > now, Row);
    }

    public ListResult<SnatRow> Snat(string? cursor, int limit)
    {
        // A long list meets mappings made after it began: each row's age is counted from when it was copied.
        // That of a flow which is over waits for the next sweep only.
        MonoTime now = Now();
        return Collect(
            cursor, limit, l => (l.Snat.Count, l.Snat.Capacity), (l, i) => l.Snat[i],
            (l, e) => e.IsUsed && l.Conntrack.Find(ConntrackTable.Ordered(e.Forward, out _), now) >= 0, e => Row(e, Now().Seconds));
    }

    public ListResult<NeighborRow> Neighbors(string? cursor, int limit)
    {
        long now = Now().Nanoseconds;
        IEnumerable<NeighborRow> rows = Merged().Select(e => new NeighborRow(
            e.Address.ToString(), e.Mac == default ? "" : e.Mac.ToString(), e.State.ToString().ToLowerInvariant(), "uplink",
            e.Changed == default ? 0 : (now - e.Changed.Nanoseconds) / 1_000_000_000));
        return Page.Of(node.Read(w => w.Version), rows.OrderBy(ControlKinds.Neighbor.Key, StringComparer.Ordinal), cursor, limit, ControlKinds.Neighbor.Key);
    }

    /// <summary>Each neighbour once: workers know the same of it, but one that asks for it has more to tell than one that does not, and one that has heard of it lately more than all.</summary>
    private Dictionary<IpAddress, NeighborEntry>.ValueCollection Merged()
    {
        var best = new Dictionary<IpAddress, NeighborEntry>();
        foreach (Worker worker in node.Workers.Workers)
        {
            NeighborTable table = worker.Live.Neighbors;
            var entries = new NeighborEntry[table.Capacity]; // Taken here: the worker allocates nothing.
            int count = 0;
            worker.Ask(() =>
            {
                for (; count < table.Count; count++)
                {
                    entries[count] = table[count];
                }
            });
            foreach (NeighborEntry entry in entries.AsSpan(0, count))
            {
                if (!best.TryGetValue(entry.Address, out NeighborEntry other) || IsBetter(entry, other))
                {
                    best[entry.Address] = entry;
                }
            }
        }

        return best.Values;
    }

    private static bool IsBetter(in NeighborEntry entry, in NeighborEntry other) =>
        (entry.Mac != default) != (other.Mac != default) ? entry.Mac != default : entry.Changed.Nanoseconds > other.Changed.Nanoseconds;

    private static MonoTime Now() => new(MonotonicClock.Nanoseconds);

    private static ConntrackRow Row(ConntrackEntry entry)
    {
        FlowKey key = (entry.Flags & ConntrackFlags.ClientIsSecond) != 0 ? entry.Key.Reversed : entry.Key;
        ConntrackFlags visible = entry.Flags & ConntrackFlags.Visible;
        string direction = key.Scope == FlowScope.Service ? "SVC" : (entry.Flags & ConntrackFlags.Inbound) != 0 ? "IN" : "OUT";
        string[] names = [.. Enum.GetValues<ConntrackFlags>().Where(f => f != 0 && int.IsPow2((int)f) && (visible & f) != 0).Select(NameOf)];
        return new ConntrackRow(
            FlowKey.ProtocolName(key.Protocol), direction, FlowKey.Endpoint(key.Source, key.SourcePort), FlowKey.Endpoint(key.Destination, key.DestinationPort),
            entry.Expires, entry.Packets, entry.Bytes, (int)entry.RxFlagsSeen, entry.LastRx, (int)entry.TxFlagsSeen, entry.LastTx,
            (int)visible, names, entry.RevNat, entry.SourceIdentity, entry.BackendId);
    }

    /// <summary>As Cilium's ct list prints it.</summary>
    private static string NameOf(ConntrackFlags flag) => flag switch
    {
        ConntrackFlags.LoopbackHairpin => "LBLoopback",
        ConntrackFlags.DsrInternal => "DSRInternal",
        _ => flag.ToString(),
    };

    private static SnatRow Row(SnatEntry entry, uint now)
    {
        FlowKey translated = entry.Translated;
        return new SnatRow(
            FlowKey.ProtocolName(translated.Protocol), FlowKey.Endpoint(entry.Forward.Source, PortOf(entry.Forward)),
            FlowKey.Endpoint(entry.Forward.Destination, entry.Forward.DestinationPort), FlowKey.Endpoint(translated.Source, PortOf(translated)), now - entry.Created, entry.IsReturn);
    }

    /// <summary>An echo request's id stands in for its source port.</summary>
    private static int PortOf(in FlowKey key) =>
        key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 ? key.SourcePort | key.DestinationPort : key.SourcePort;

    private ListResult<TRow> Collect<TEntry, TRow>(
        string? cursor, int limit, Func<LiveTables, (int Count, int Capacity)> sizeOf, Func<LiveTables, int, TEntry> read, Func<LiveTables, TEntry, bool> isLive, Func<TEntry, TRow> toRow)
        where TEntry : struct
    {
        int position = Page.EntryOf(cursor);
        var rows = new List<TRow>();
        int first = 0;
        foreach (Worker worker in node.Workers.Workers)
        {
            int end = first + sizeOf(worker.Live).Capacity;
            if (position < end)
            {
                int inTable = Copy(worker, position - first, end - first, limit, sizeOf, read, isLive, toRow, rows);
                position = first + inTable;
            }

            if (position < end && rows.Count == limit)
            {
                break;
            }

            first = end;
            position = Math.Max(position, end);
        }

        bool isMore = rows.Count == limit && position < node.Workers.Workers.Sum(w => sizeOf(w.Live).Capacity);
        return new ListResult<TRow>(node.Read(w => w.Version), rows, isMore ? $"{position}" : null);
    }

    /// <returns>How far in the worker's table the rows go now.</returns>
    private static int Copy<TEntry, TRow>(
        Worker worker, int position, int capacity, int limit, Func<LiveTables, (int Count, int Capacity)> sizeOf,
        Func<LiveTables, int, TEntry> read, Func<LiveTables, TEntry, bool> isLive, Func<TEntry, TRow> toRow, List<TRow> rows)
        where TEntry : struct
    {
        LiveTables live = worker.Live;
        var copied = new List<TEntry>(SliceLength);
        while (position < capacity && rows.Count < limit && sizeOf(live).Count > 0)
        {
            int end = Math.Min(capacity, position + SliceLength);
            int room = limit - rows.Count;
            copied.Clear();
            worker.Ask(() =>
            {
                for (; position < end && copied.Count < room; position++)
                {
                    TEntry entry = read(live, position);
                    if (isLive(live, entry))
                    {
                        copied.Add(entry);
                    }
                }
            });
            rows.AddRange(copied.Select(toRow));
        }

        return position;
    }
}
