using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Replay;

/// <summary>
/// A node without devices: frames enter its ports at their own times, and the pipeline of the forwarder does with them what it would
/// do there. The clock is the frames', the dice are seeded, nothing else is read: the same input gives the same records. Used once.
/// </summary>
public sealed class ReplayRun
{
    public const ulong DefaultSeed = 1;

    /// <summary>Longest frame that fits a buffer.</summary>
    public const int MaxFrameLength = PacketContext.BufferLength - PacketContext.Headroom;

    private const long NanosecondsPerDay = 86_400_000_000_000;

    /// <summary>A longer replay is a capture with a broken clock; the flows' timers count seconds in 32 bits.</summary>
    private const int MaxDays = 366;

    /// <summary>How long the worker sleeps at most before it looks after its tables.</summary>
    private const double SleepSeconds = 0.1;

    /// <summary>When the first frame comes. Not zero, which tables take for never.</summary>
    private static readonly MonoTime s_origin = MonoTime.FromSeconds(1000);

    private readonly bool _resolveNeighbors;
    private readonly StateWriter _writer;
    private readonly Snapshot _snapshot;
    private readonly LiveTables _live;
    private readonly PacketPipeline _pipeline;
    private readonly Housekeeping _housekeeping;
    private readonly HeldPackets _held = new();
    private readonly byte[] _buffer = new byte[PacketContext.BufferLength];
    private Action<ReplayRecord> _emit = _ => { };
    private long _start;
    private MonoTime _now;

    /// <param name="node">The node to be.</param>
    /// <param name="seed">Of the dice: which backend a new flow gets, and which port a masqueraded one.</param>
    /// <param name="resolveNeighbors">Answer for the neighbours on the node network; else they are silent and packets for them time out.</param>
    /// <exception cref="ConfigurationException">The configuration contradicts itself.</exception>
    public ReplayRun(NodeFile node, ulong seed = DefaultSeed, bool resolveNeighbors = true)
    {
        _resolveNeighbors = resolveNeighbors;
        _writer = new StateWriter(node.Local, seed);
        _snapshot = _writer.Commit(_writer.Plan(node.Initial));
        _live = new LiveTables(
            node.Local.ConntrackEntries, node.Local.SnatEntries, seed, fragments: node.Local.Flows.Fragments, affinityCapacity: node.Local.AffinityEntries, sources: node.Local.Flows.SourceLimits);
        _pipeline = new PacketPipeline(_live);
        _housekeeping = new Housekeeping(_live);
        Ports = [.. _writer.Ports.Values.OrderBy(p => p.Id).Select(p => p.Name)];
    }

    /// <summary>Names of the node's ports.</summary>
    public IReadOnlyList<string> Ports { get; }

    public ReplaySummary Summary { get; } = new();

    /// <summary>Now, on the input's clock.</summary>
    private long Time => _start + (_now.Nanoseconds - s_origin.Nanoseconds);

    /// <summary>Lets the frames enter in the order given. At the end the clock runs on until no packet is held any more.</summary>
    /// <param name="frames">In order of their times; one that is earlier than the one before gets its time.</param>
    /// <param name="emit">Called with each record as it happens.</param>
    /// <exception cref="ReplayException">A frame cannot enter this node.</exception>
    public void Run(IEnumerable<ReplayFrame> frames, Action<ReplayRecord> emit)
    {
        _emit = Summary.PacketCount == 0 ? emit : throw new InvalidOperationException("a replay runs once");
        foreach (ReplayFrame frame in frames)
        {
            if (Summary.PacketCount == 0)
            {
                Start(frame.Time);
            }

            Summary.PacketCount++;
            AdvanceTo(frame.Time);
            Enter(frame);
        }

        while (_live.Outbox.HeldCount > 0)
        {
            _now = _now.PlusSeconds(SleepSeconds);
            KeepHouse();
        }
    }

    /// <summary>As the forwarder does when its configuration comes: asks for the other nodes before the first packet needs them.</summary>
    private void Start(long time)
    {
        _start = time;
        _now = s_origin;
        if (_snapshot.UplinkPort < 0)
        {
            return;
        }

        // In order of name: that of the dictionary differs from process to process.
        foreach (NodeSpec node in _writer.Desired.Nodes.Values.OrderBy(n => DesiredState.NodeKey(n.Cluster, n.Name), StringComparer.Ordinal))
        {
            foreach (IpAddress address in node.Addresses)
            {
                _live.Neighbors.Solicit(address, _snapshot.Ports[_snapshot.UplinkPort], _now);
                Flush();
            }
        }
    }

    private void AdvanceTo(long time)
    {
        long elapsed = time - _start;
        if (elapsed > MaxDays * NanosecondsPerDay)
        {
            throw new ReplayException(
                $"packet {Summary.PacketCount} is {elapsed / NanosecondsPerDay} days later than the first; a replay spans at most {MaxDays} days, check the captures' clocks");
        }

        var target = new MonoTime(s_origin.Nanoseconds + elapsed);
        if (target.Nanoseconds < _now.Nanoseconds)
        {
            Summary.BackwardCount++;
            return;
        }

        while (_now.PlusSeconds(SleepSeconds).Nanoseconds < target.Nanoseconds && !IsQuiet())
        {
            _now = _now.PlusSeconds(SleepSeconds);
            KeepHouse();
        }

        _now = target;
    }

    /// <summary>Nothing changes by itself any more, so the worker may sleep until the next frame: months in a capture cost nothing.</summary>
    private bool IsQuiet()
    {
        for (int i = 0; i < _live.Neighbors.Count; i++)
        {
            if (_live.Neighbors[i].State is not (NeighborState.Reachable or NeighborState.Stale))
            {
                return false;
            }
        }

        return _live.Conntrack.Count == 0 && _live.Snat.Count == 0 && _live.Fragments.Hold is not { WaitingCount: > 0 };
    }

    private void KeepHouse()
    {
        if (!_housekeeping.IsDue(_now))
        {
            return;
        }

        _housekeeping.Run(_snapshot, _now);
        Flush();
        foreach (ReplayRecord held in _held.TakeDiscarded(_live))
        {
            Tell(new ReplayRecord(ReplayEvent.Released, Time)
            {
                Packet = held.Packet,
                Number = held.Number,
                In = held.In,
                Verdict = Verdict.Drop,
                Reason = DropReason.NoRoute,
                ReasonDetail = NoRouteDetail.NoNeighbor,
                After = held.After,
                Length = held.Length,
            });
        }
    }

    private void Enter(in ReplayFrame frame)
    {
        if (!_writer.Ports.TryGetValue(frame.Port, out Port? port))
        {
            throw new ReplayException($"there is no port \"{frame.Port}\" on this node; it has {PortNames.Listed(Ports)}");
        }

        if (frame.Bytes.Length > MaxFrameLength)
        {
            throw new ReplayException($"packet {Summary.PacketCount} has {frame.Bytes.Length} bytes; no frame is longer than {MaxFrameLength}");
        }

        Tell(Process(frame.Bytes.Span, port.Id, ReplayEvent.Entered, Summary.PacketCount, frame.Number));
        do
        {
            Flush();
        }
        while (_pipeline.ProcessReleased(_snapshot, _now));
        KeepHouse();
    }

    private ReplayRecord Process(ReadOnlySpan<byte> frame, int port, ReplayEvent what, int packet, int number)
    {
        frame.CopyTo(_buffer.AsSpan(PacketContext.Headroom));
        var received = new BurstFrame { Start = PacketContext.Headroom, Length = frame.Length, IngressPort = port };
        Decapsulation.Run(_buffer, ref received, _snapshot);
        var p = new PacketContext(_buffer, received.Start, received.Length, received.Offload, port) { Tunnel = received.Tunnel };
        FrameTuple? before = FrameTuple.Read(p.Frame);
        Verdict verdict = _pipeline.Process(ref p, _snapshot, _now);
        bool waitsForNeighbor = verdict == Verdict.Held && p.FlowKey != default; // an early fragment never came to conntrack
        bool leaves = verdict == Verdict.Transmit || waitsForNeighbor;
        var record = new ReplayRecord(what, Time)
        {
            Packet = packet,
            Number = number,
            In = _snapshot.Ports[port].Name,
            Out = leaves ? _snapshot.Ports[p.EgressPort].Name : null,
            Verdict = verdict,
            Reason = p.Reason,
            ReasonDetail = p.ReasonDetail,
            Before = before,
            After = leaves ? FrameTuple.Read(p.Frame) : null,
            Status = p.FlowKey == default ? null : p.Status,
            Length = frame.Length,
            Offload = p.Offload,
            Sent = verdict == Verdict.Transmit ? p.Frame.ToArray() : default(ReadOnlyMemory<byte>),
        };
        if (waitsForNeighbor)
        {
            _held.Add(record, p.Frame, p.Route.NextHop == default ? p.Key.Destination : p.Route.NextHop);
        }

        return record;
    }

    /// <summary>Sends what the datapath has ready beside the packet in hand, and lets the neighbours answer what it asks.</summary>
    private void Flush()
    {
        while (_live.Outbox.TryTake(out int port, out Span<byte> taken))
        {
            VirtioNetHeader offload = VirtioNetHeader.Read(taken);
            byte[] frame = taken[VirtioNetHeader.Length..].ToArray();
            ReplayRecord? held = _held.Claim(frame);
            Tell(new ReplayRecord(held is null ? ReplayEvent.Emitted : ReplayEvent.Released, Time)
            {
                Packet = held?.Packet ?? 0,
                Number = held?.Number ?? 0,
                In = held?.In,
                Out = _snapshot.Ports[port].Name,
                Verdict = Verdict.Transmit,
                After = FrameTuple.Read(frame),
                Length = frame.Length,
                Offload = offload,
                Sent = frame,
            });
            if (held is null && _resolveNeighbors && NeighborStandIn.Answer(frame) is { } answer)
            {
                Tell(Process(answer, port, ReplayEvent.Simulated, 0, 0));
            }
        }
    }

    private void Tell(ReplayRecord record)
    {
        Summary.Count(record);
        _emit(record);
    }
}
