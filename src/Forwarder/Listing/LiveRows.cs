using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Rows of the worker's own tables, copied by the worker a slice at a time so that a long list is not a long pause.</summary>
internal sealed class LiveRows(NodeRuntime node)
{
    /// <summary>Entries looked at between two bursts: some 20 microseconds.</summary>
    private const int SliceLength = 2048;

    public ListResult<ConntrackRow> Conntrack(string? cursor, int limit)
    {
        ConntrackTable table = node.Live.Conntrack;
        uint now = Now().Seconds;
        return Collect(cursor, limit, table.Capacity, () => table.Count, i => table[i], e => (e.Flags & ConntrackFlags.Used) != 0 && e.Expires > now, Row);
    }

    public ListResult<SnatRow> Snat(string? cursor, int limit)
    {
        SnatTable table = node.Live.Snat;

        // A long list meets mappings made after it began: each row's age is counted from when it was copied.
        // That of a flow which is over waits for the next sweep only.
        MonoTime now = Now();
        return Collect(
            cursor, limit, table.Capacity, () => table.Count, i => table[i],
            e => e.IsUsed != 0 && node.Live.Conntrack.Find(ConntrackTable.Ordered(e.Forward, out _), now) >= 0, e => Row(e, Now().Seconds));
    }

    public ListResult<NeighborRow> Neighbors(string? cursor, int limit)
    {
        NeighborTable table = node.Live.Neighbors;
        var entries = new NeighborEntry[table.Capacity]; // Taken here: the worker allocates nothing.
        int count = 0;
        node.Worker.Invoke(() =>
        {
            for (; count < table.Count; count++)
            {
                entries[count] = table[count];
            }
        });
        long now = Now().Nanoseconds;
        IEnumerable<NeighborRow> rows = entries.Take(count).Select(e => new NeighborRow(
            e.Address.ToString(), e.Mac == default ? "" : e.Mac.ToString(), e.State.ToString().ToLowerInvariant(), "uplink",
            e.Changed == default ? 0 : (now - e.Changed.Nanoseconds) / 1_000_000_000));
        return Page.Of(node.Read(w => w.Version), rows.OrderBy(ControlKinds.Neighbor.Key, StringComparer.Ordinal), cursor, limit, ControlKinds.Neighbor.Key);
    }

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
    private static string NameOf(ConntrackFlags flag) => flag == ConntrackFlags.LoopbackHairpin ? "LBLoopback" : flag.ToString();

    private static SnatRow Row(SnatEntry entry, uint now)
    {
        FlowKey translated = entry.Translated;
        return new SnatRow(
            FlowKey.ProtocolName(translated.Protocol), FlowKey.Endpoint(entry.Forward.Source, PortOf(entry.Forward)),
            FlowKey.Endpoint(entry.Forward.Destination, entry.Forward.DestinationPort), FlowKey.Endpoint(translated.Source, PortOf(translated)), now - entry.Created);
    }

    /// <summary>An echo request's id stands in for its source port.</summary>
    private static int PortOf(in FlowKey key) =>
        key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 ? key.SourcePort | key.DestinationPort : key.SourcePort;

    private ListResult<TRow> Collect<TEntry, TRow>(
        string? cursor, int limit, int capacity, Func<int> count, Func<int, TEntry> read, Func<TEntry, bool> isLive, Func<TEntry, TRow> toRow)
        where TEntry : struct
    {
        int position = Page.EntryOf(cursor);
        var copied = new List<TEntry>(SliceLength);
        var rows = new List<TRow>();
        while (position < capacity && rows.Count < limit && count() > 0)
        {
            int end = Math.Min(capacity, position + SliceLength);
            int room = limit - rows.Count;
            copied.Clear();
            node.Worker.Invoke(() =>
            {
                for (; position < end && copied.Count < room; position++)
                {
                    TEntry entry = read(position);
                    if (isLive(entry))
                    {
                        copied.Add(entry);
                    }
                }
            });
            rows.AddRange(copied.Select(toRow));
        }

        return new ListResult<TRow>(node.Read(w => w.Version), rows, position < capacity && rows.Count == limit ? $"{position}" : null);
    }
}
