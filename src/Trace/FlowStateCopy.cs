using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>
/// What a trace needs of one worker's flow state, copied: the worker's thread only looks its entries up (<see cref="Read"/>), a few microseconds
/// between two bursts; tables that behave as the worker's would are made of them elsewhere.
/// </summary>
internal sealed class FlowStateCopy(LiveTables original)
{
    /// <summary>Ports looked at between two bursts: some 100 microseconds.</summary>
    private const int PortSliceLength = 1024;

    /// <summary>Room beside what was copied: more than the packets of one trace can take.</summary>
    private const int MostFree = 64;

    private readonly Dictionary<FlowKey, ConntrackEntry> _conntrack = [];
    private readonly Dictionary<FlowKey, SnatEntry> _snat = [];
    private readonly HashSet<FlowKey> _readPorts = [];
    private ConntrackEntry[] _foundFlows = [];
    private SnatEntry[] _foundMappings = [];
    private AffinityEntry[] _sessions = [];
    private NeighborEntry[] _neighbors = [];
    private (FlowKey Key, uint Id)[] _fragments = [];
    private readonly (IpAddress Neighbor, int Ingress)[] _held = new (IpAddress, int)[original.Outbox.SlotCount];
    private int _heldCount;
    private int _conntrackFree;
    private int _snatFree;

    /// <summary>Entries of the whole table that are in use, and its size.</summary>
    public (int Count, int Capacity) Conntrack { get; private set; }

    public (int Count, int Capacity) Snat { get; private set; }

    /// <param name="onWorker">Runs an action on the thread that owns the tables.</param>
    /// <param name="masquerade">Of the configuration: which ports SNAT gives away.</param>
    public void Read(StateWants wants, Action<Action> onWorker, MasqueradeRules masquerade, MonoTime now)
    {
        // All memory is taken here: the worker allocates nothing.
        _foundMappings = new SnatEntry[wants.Forward.Count + wants.Translated.Count];
        _foundFlows = new ConntrackEntry[wants.Conntrack.Count + _foundMappings.Length];
        _sessions = new AffinityEntry[wants.Sessions.Count];
        _neighbors = new NeighborEntry[wants.Neighbors.Count];
        _fragments = new (FlowKey, uint)[wants.Fragments.Count];
        onWorker(() => Find(wants, now));
        Keep();
        foreach (FlowKey face in wants.Ports.Where(_readPorts.Add))
        {
            ReadPorts(face, onWorker, masquerade);
        }
    }

    /// <summary>What the worker knows of a neighbour that was read.</summary>
    public NeighborEntry? NeighborAt(IpAddress address)
    {
        int index = Array.FindIndex(_neighbors, n => n.Address == address && address != default);
        return index < 0 ? null : _neighbors[index];
    }

    /// <summary>Tables with what was read, and with as much room as the worker's have.</summary>
    /// <param name="dice">Where its dice stand.</param>
    public LiveTables Build(Snapshot s, ulong dice, MonoTime now)
    {
        var conntrack = new ConntrackTable(original.Conntrack, _conntrack.Values, _conntrackFree);
        var snat = new SnatTable(original.Snat, _snat.Values, _snatFree);
        var live = new LiveTables(original, conntrack, snat, _held.AsSpan(0, _heldCount), dice);
        foreach (AffinityEntry session in _sessions.Where(e => e.Frontend != 0))
        {
            live.Affinities.Use(session.Frontend, session.Client, session.BackendId, session.LastUsed, out _);
        }

        foreach ((FlowKey key, uint id) in _fragments.Where(f => f.Key != default))
        {
            live.Fragments.Remember(key, id, now);
        }

        foreach (NeighborEntry neighbor in _neighbors.Where(n => n.Address != default && s.UplinkPort >= 0))
        {
            Introduce(neighbor, live, s.Ports[s.UplinkPort], now);
        }

        return live;
    }

    /// <summary>Has a neighbour be what it is to the worker. Learning one would release the frames that wait for it: none does, or they could not wait.</summary>
    private static void Introduce(in NeighborEntry neighbor, LiveTables live, Port uplink, MonoTime now)
    {
        if (neighbor.State is NeighborState.Incomplete or NeighborState.Failed)
        {
            if (neighbor.State == NeighborState.Incomplete)
            {
                live.Neighbors.Solicit(neighbor.Address, uplink, now);
                while (live.Outbox.TryTake(out _, out _))
                {
                    // The question has been asked already.
                }
            }

            return; // A failed neighbour is asked anew, as one that nobody knows.
        }

        live.Neighbors.Learn(neighbor.Address, neighbor.Mac, isSolicited: neighbor.State != NeighborState.Stale, create: true, neighbor.Changed);
    }

    /// <summary>Runs on the worker's thread: looks up and copies, changes nothing.</summary>
    private void Find(StateWants wants, MonoTime now)
    {
        ConntrackTable conntrack = original.Conntrack;
        SnatTable snat = original.Snat;
        Conntrack = (conntrack.Count, conntrack.Capacity);
        Snat = (snat.Count, snat.Capacity);
        _conntrackFree = conntrack.RoomFor(MostFree);
        int mappings = 0;
        foreach (FlowKey key in wants.Forward)
        {
            int index = snat.FindForward(key);
            _foundMappings[mappings++] = index < 0 ? default : snat[index];
        }

        foreach (FlowKey key in wants.Translated)
        {
            int index = snat.FindReverse(key.Reversed);
            _foundMappings[mappings++] = index < 0 ? default : snat[index];
        }

        int flows = 0;
        foreach (FlowKey key in wants.Conntrack)
        {
            _foundFlows[flows++] = FlowOf(conntrack, key);
        }

        foreach (ref readonly SnatEntry mapping in _foundMappings.AsSpan())
        {
            _foundFlows[flows++] = !mapping.IsUsed ? default : FlowOf(conntrack, ConntrackTable.Ordered(mapping.Forward, out _));
        }

        _heldCount = original.Outbox.CopyHeld(_held);
        int sessions = 0;
        foreach ((uint frontend, IpAddress client) in wants.Sessions)
        {
            int index = original.Affinities.IndexOf(frontend, client);
            _sessions[sessions++] = index < 0 ? default : original.Affinities[index];
        }

        int neighbors = 0;
        foreach (IpAddress address in wants.Neighbors)
        {
            int index = original.Neighbors.IndexOf(address);
            _neighbors[neighbors++] = index < 0 ? default : original.Neighbors[index];
        }

        int fragments = 0;
        foreach ((FlowKey key, uint id) in wants.Fragments)
        {
            _fragments[fragments++] = original.Fragments.TryPeek(key, id, now, out FlowKey first) ? (first, id) : default;
        }
    }

    private void Keep()
    {
        foreach (ConntrackEntry entry in _foundFlows.Where(e => (e.Flags & ConntrackFlags.Used) != 0))
        {
            _conntrack[entry.Key] = entry;
        }

        foreach (SnatEntry entry in _foundMappings.Where(e => e.IsUsed))
        {
            _snat[entry.Forward] = entry;
        }

        _snatFree = Math.Min(MostFree, Snat.Capacity - Snat.Count);
    }

    /// <summary>All mappings of the node towards one destination, a slice of ports at a time.</summary>
    private void ReadPorts(FlowKey face, Action<Action> onWorker, MasqueradeRules masquerade)
    {
        bool isIcmp = face.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        int last = isIcmp ? ushort.MaxValue : masquerade.LastPort;
        _foundMappings = new SnatEntry[PortSliceLength];
        _foundFlows = new ConntrackEntry[PortSliceLength];
        for (int first = isIcmp ? 0 : masquerade.FirstPort; first <= last; first += PortSliceLength)
        {
            int from = first;
            int count = Math.Min(PortSliceLength, last - first + 1);
            Array.Clear(_foundMappings);
            Array.Clear(_foundFlows);
            onWorker(() =>
            {
                for (int i = 0; i < count; i++)
                {
                    ushort port = (ushort)(from + i);
                    FlowKey translated = isIcmp ? face with { DestinationPort = port } : face with { SourcePort = port };
                    int index = original.Snat.FindReverse(translated.Reversed);
                    _foundMappings[i] = index < 0 ? default : original.Snat[index];
                    _foundFlows[i] = index < 0 ? default : FlowOf(original.Conntrack, ConntrackTable.Ordered(original.Snat[index].Forward, out _));
                }
            });
            Keep();
        }
    }

    private static ConntrackEntry FlowOf(ConntrackTable conntrack, in FlowKey key)
    {
        int index = conntrack.IndexOf(key);
        return index < 0 ? default : conntrack[index];
    }
}
