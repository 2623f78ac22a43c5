using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>
/// Who spoke with whom, from the events that the store still holds of a span of time. An arrow points from who began a flow to who was asked; a
/// flow through a service is two arrows, since the event of its translation comes before that of its packet.
/// </summary>
internal sealed class FlowMap
{
    private readonly Dictionary<(PageEnd From, PageEnd To), FlowMapArrow> _arrows = [];
    private readonly Dictionary<(IpAddress Address, ushort Port, IpProtocol Protocol), PageEnd> _services = [];

    /// <summary>In the order in which they came up first.</summary>
    public IEnumerable<KeyValuePair<(PageEnd From, PageEnd To), FlowMapArrow>> Arrows => _arrows;

    /// <summary>Events that were read.</summary>
    public int EventCount { get; private set; }

    /// <summary>Time of the oldest event in nanoseconds since 1970-01-01 UTC; null when there was none.</summary>
    public long? First { get; private set; }

    /// <param name="since">Nanoseconds since 1970-01-01 UTC.</param>
    public static FlowMap Read(FlowStore store, ObserverNode node, long since)
    {
        FlowMap map = new();
        ObservedFlow flow = new(node, store.Instance);
        FlowSlot[] batch = new FlowSlot[1024];
        ulong end = store.Next;
        for (ulong sequence = store.Oldest; sequence < end;)
        {
            int count = store.Read(ref sequence, batch);
            for (int i = 0; i < count && sequence < end; i++, sequence++)
            {
                if (!batch[i].IsNotice && batch[i].Record.Time >= since)
                {
                    flow.Load(batch[i], sequence);
                    map.Add(flow);
                }
            }
        }

        return map;
    }

    private void Add(ObservedFlow flow)
    {
        ref readonly FlowRecord record = ref flow.Record;
        EventCount++;
        First = Math.Min(First ?? record.Time, record.Time);
        if (!flow.IsIp)
        {
            return;
        }

        if (record.Verdict == FlowVerdict.Dropped)
        {
            ArrowOf(PageEnd.SourceOf(flow), PageEnd.DestinationOf(flow)).AddDrop((int)record.DropReason, record.Time);
            return;
        }

        if (record.Kind != FlowEventKind.Trace || record.Reply == FlowReply.Yes)
        {
            return; // A verdict of policy is told again as the packet's fate; an answer belongs to the arrow of its question.
        }

        bool begins = record.Protocol == IpProtocol.Tcp ? (record.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack)) == TcpFlags.Syn : record.TraceReason == FlowTraceReason.New;
        PageEnd from = PageEnd.SourceOf(flow);
        (IpAddress, ushort, IpProtocol) sender = (record.Source, record.SourcePort, record.Protocol);
        if (record.Verdict == FlowVerdict.Translated && flow.DestinationService is not null)
        {
            PageEnd service = PageEnd.DestinationOf(flow);
            _services[sender] = service;
            ArrowOf(from, service).AddForwarded(true, record.Time);
            return;
        }

        ArrowOf(flow.HasPorts && _services.TryGetValue(sender, out PageEnd through) ? through : from, PageEnd.DestinationOf(flow)).AddForwarded(begins, record.Time);
    }

    private FlowMapArrow ArrowOf(PageEnd from, PageEnd to)
    {
        if (!_arrows.TryGetValue((from, to), out FlowMapArrow? arrow))
        {
            _arrows[(from, to)] = arrow = new FlowMapArrow();
        }

        return arrow;
    }
}
