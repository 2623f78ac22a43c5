using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>
/// Takes packets through the production pipeline with the configuration in force and a copy of the flow state, and explains every stage. Nothing
/// that forwards is changed: the workers only look up what is copied (docs/decisions/0035-trace.md). The caller keeps the configuration at rest.
/// </summary>
/// <param name="workers">The tables of the workers.</param>
/// <param name="onWorker">Runs an action on the thread that owns a worker's tables.</param>
/// <param name="homes">Null where there is one worker, and so <paramref name="backends"/>.</param>
/// <param name="clock">The workers' clock.</param>
public sealed class PacketTracer(
    StateWriter writer, LocalNodeSpec local, IReadOnlyList<LiveTables> workers, Action<int, Action> onWorker, FlowHomes? homes, KnownBackends? backends, Func<MonoTime> clock)
{
    /// <summary>Packets of one request: they share a copy of the flow state.</summary>
    public const int MostPackets = 64;

    /// <summary>A trace asks for something new in nearly every round at first; so many rounds never are needed.</summary>
    private const int MostRounds = 64;

    /// <summary>So many ports of a destination are asked for one by one before all are.</summary>
    private const int PortTries = 4;

    private readonly MeshNames _names = new(writer, local);

    /// <exception cref="ControlException">The request names what is not there, or what cannot be.</exception>
    public TraceResult Trace(TraceRequest request)
    {
        if (request.Packets.Count is 0 or > MostPackets)
        {
            throw new ControlException(ErrorCode.InvalidParams, string.Create(CultureInfo.InvariantCulture, $"packets: {request.Packets.Count} are not within 1 and {MostPackets}"));
        }

        MonoTime now = clock();
        ulong[] dice = DiceOf(request);
        Snapshot s = writer.Current;
        s = s.Tunnels is { } tunnels ? s with { Tunnels = tunnels with { PathMtus = new PathMtuTable([.. tunnels.PathMtus.Entries]) } } : s; // a trace teaches nothing
        var wants = new StateWants();
        FlowStateCopy[] copies = [.. workers.Select(w => new FlowStateCopy(w))];
        for (int round = 0; ; round++)
        {
            for (int i = 0; i < copies.Length; i++)
            {
                int worker = i;
                copies[i].Read(wants, action => onWorker(worker, action), s.Masquerade, now);
            }

            int asked = wants.Count;
            PacketTrace[] traces = Run(request.Packets, s, copies, dice, wants, now);
            if (wants.Count == asked || round == MostRounds)
            {
                return new TraceResult(local.Cluster, local.Name, s.Version, string.Join(',', dice), traces);
            }
        }
    }

    /// <summary>Where each worker's dice stand.</summary>
    private ulong[] DiceOf(TraceRequest request)
    {
        var dice = new ulong[workers.Count];
        string[] given = request.Dice?.Split(',') ?? [];
        for (int i = 0; i < dice.Length; i++)
        {
            int worker = i;
            if (request.Dice is null)
            {
                onWorker(i, () => dice[worker] = workers[worker].Random.State);
            }
            else if (given.Length != dice.Length || !ulong.TryParse(given[i], NumberStyles.None, CultureInfo.InvariantCulture, out dice[i]))
            {
                throw new ControlException(ErrorCode.InvalidParams, $"dice: '{request.Dice}' is none; give what a result has, or nothing");
            }
        }

        return dice;
    }

    private PacketTrace[] Run(IReadOnlyList<TracePacket> packets, Snapshot s, FlowStateCopy[] copies, ulong[] dice, StateWants wants, MonoTime now)
    {
        LiveTables[] live = [.. copies.Select((c, i) => c.Build(s, dice[i], now))];
        PacketPipeline[] pipelines = [.. live.Select(l => new PacketPipeline(l))];
        FlowSteering[] steerings = homes is null ? [] : [.. live.Select((l, i) => new FlowSteering(i, homes, backends!, l))];
        var traces = new List<PacketTrace>();
        var memory = new SingleFrame();
        for (int i = 0; i < packets.Count; i++)
        {
            TracedFrame frame = FrameOf(packets[i], i, s, traces);
            Port port = writer.Ports[frame.Port];
            frame.Bytes.CopyTo(memory.BufferOf(0)[PacketContext.Headroom..]);
            int worker = Owner(steerings, memory, frame.Bytes.Length, port, s, now);
            var words = new StageWords(_names, s, now);
            var scribe = new StageScribe(words, s, live[worker], wants, now);
            var witness = new TraceWitness(scribe);
            var received = new BurstFrame { Start = PacketContext.Headroom, Length = frame.Bytes.Length, IngressPort = port.Id };
            Decapsulation.Run(memory.BufferOf(0), ref received, s);
            var p = new PacketContext(memory.BufferOf(0), received.Start, received.Length, received.Offload, port.Id) { Tunnel = received.Tunnel };
            Verdict v = pipelines[worker].Process(ref p, s, now, ref witness);
            scribe.Close(p, v);
            WantPorts(p, scribe.Steps, live[worker], wants, s);
            traces.Add(Tell(frame, worker, p, v, scribe, words, s, live[worker], copies[worker]));
        }

        return [.. traces];
    }

    /// <summary>A new mapping's port is free only if the worker's own table says so, too.</summary>
    private static void WantPorts(in PacketContext p, List<TraceStep> steps, LiveTables live, StateWants wants, Snapshot s)
    {
        bool isShort = p.Reason == DropReason.NoSnatMapping;
        if (!isShort && (!p.IsSnat || p.IsReply || steps.Count == 0))
        {
            return;
        }

        bool isIcmp = p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        FlowKey translated = isShort ? p.Key with { Source = s.Masquerade.AddressFor(p.IsIpv4) } : p.Key;
        FlowKey face = isIcmp ? translated with { DestinationPort = 0 } : translated with { SourcePort = 0 };
        if (isShort && live.Snat.Count == live.Snat.Capacity)
        {
            return; // The table is full whatever ports are free.
        }

        if (!isShort)
        {
            wants.Translated.Add(translated);
        }

        if (isShort || wants.Translated.Count(t => (isIcmp ? t with { DestinationPort = 0 } : t with { SourcePort = 0 }) == face) > PortTries)
        {
            wants.Ports.Add(face);
        }
    }

    /// <summary>The worker whose packet it is: as the workers themselves hand it on.</summary>
    private static int Owner(FlowSteering[] steerings, SingleFrame memory, int length, Port port, Snapshot s, MonoTime now)
    {
        var burst = new Burst(memory);
        var frame = new BurstFrame { Start = PacketContext.Headroom, Length = length, IngressPort = port.Id };
        int worker = 0;
        for (int station = 0; steerings.Length > 0 && station <= (int)SteeringStep.Settled; station++)
        {
            if (steerings[worker].IsOurs(burst, ref frame, s, now))
            {
                break;
            }

            worker = frame.Note.Worker;
        }

        return worker;
    }

    private TracedFrame FrameOf(TracePacket packet, int number, Snapshot s, List<PacketTrace> before)
    {
        if (packet.IsAnswer == true)
        {
            return Answer(before, number);
        }

        if (packet.Frame is null)
        {
            TracedEnds ends = new EndsReader(_names).Read(packet);
            return new TracedFrame(ends.Port, FrameMaker.Make(packet, ends.Flow, PortOf(ends.Port)));
        }

        byte[] bytes;
        try
        {
            bytes = Convert.FromHexString(packet.Frame);
        }
        catch (FormatException)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"packets[{number}].frame: this is not hexadecimal");
        }

        const int Most = PacketContext.BufferLength - PacketContext.Headroom;
        if (bytes.Length is < EthernetHeader.Length or > Most)
        {
            throw new ControlException(ErrorCode.InvalidParams, string.Create(CultureInfo.InvariantCulture, $"packets[{number}].frame: {bytes.Length} bytes are no frame; it has {EthernetHeader.Length} to {Most}"));
        }

        Port port = PortOf(packet.In ?? new EndsReader(_names).PortOf(bytes));
        if (packet.Readdress == true)
        {
            FrameMaker.Readdress(bytes, port);
        }

        return new TracedFrame(port.Name, bytes);
    }

    private TracedFrame Answer(List<PacketTrace> before, int number)
    {
        PacketTrace? asked = before.LastOrDefault();
        return asked is { LeavingFrame: { } frame, Out: { } to } && FrameMaker.Answer(Convert.FromHexString(frame), PortOf(to)) is { } answer
            ? new TracedFrame(to, answer)
            : throw new ControlException(ErrorCode.InvalidParams, $"packets[{number}]: the packet before it did not leave, or is none that is answered");
    }

    private Port PortOf(string name) => writer.Ports.TryGetValue(name, out Port? port)
        ? port
        : throw new ControlException(ErrorCode.NotFound, $"in: there is no port '{name}' on {local.Name}; it has {string.Join(", ", writer.Ports.Values.OrderBy(p => p.Id).Select(p => p.Name).Take(12))}");

    private PacketTrace Tell(
        TracedFrame frame, int worker, in PacketContext p, Verdict v, StageScribe scribe, StageWords words, Snapshot s, LiveTables live, FlowStateCopy copy)
    {
        var beside = new List<string>();
        while (live.Outbox.TryTake(out int port, out Span<byte> other))
        {
            beside.Add($"by {s.Ports[port].Name}: {FrameWords.Of(other[VirtioNetHeader.Length..])}");
        }

        var told = new PacketTrace(frame.Port, FrameWords.Of(frame.Bytes), Convert.ToHexStringLower(frame.Bytes), worker, scribe.Steps, v.ToString().ToLowerInvariant(), "")
        {
            Remarks = words.Remarks,
            Beside = beside,
        };
        if (v == Verdict.Drop)
        {
            (string cause, string advice) = new DropWords(_names, s, copy).Of(scribe.Last, p);
            return told with { Reason = DropReasons.TextOf(p.Reason), ReasonNumber = (byte)p.Reason, ReasonDetail = p.ReasonDetail, Summary = $"Dropped ({DropReasons.TextOf(p.Reason)}): {cause}.", Advice = advice };
        }

        return v is Verdict.Transmit or Verdict.Held && scribe.Last is { Stage: PipelineStage.Transmit } ? Leaving(told, p, v, s, copy)
            : told with { Summary = v == Verdict.Transmit ? $"Answered by the datapath itself: {FrameWords.Of(p.Frame)}." : v == Verdict.Held ? "Waits for the first fragment of its datagram." : "Consumed by the datapath itself." };
    }

    private PacketTrace Leaving(PacketTrace told, in PacketContext p, Verdict v, Snapshot s, FlowStateCopy copy)
    {
        Port egress = s.Ports[p.EgressPort];
        told = told with { Out = egress.Name, LeavingPacket = FrameWords.Of(p.Frame), LeavingFrame = Convert.ToHexStringLower(p.Frame) };
        if (egress.Kind != PortKind.Uplink)
        {
            return told with
            {
                Pod = egress.Kind == PortKind.Endpoint ? egress.Name : null,
                Summary = egress.Kind == PortKind.Endpoint ? $"Delivered to pod {egress.Name}." : "Delivered to the node's own stack.",
            };
        }

        IpAddress nextHop = p.Route.NextHop == default ? p.Key.Destination : p.Route.NextHop;
        NodeSpec? node = _names.NodeAt(nextHop);
        string whom = node is null ? nextHop.ToString() : $"node {MeshNames.KeyOf(node)} ({nextHop})";
        told = told with { NextHop = nextHop.ToString(), NextNode = node is null ? null : MeshNames.KeyOf(node) };
        if (v == Verdict.Transmit)
        {
            return told with { Summary = $"Leaves by {egress.Name} to {whom}." };
        }

        bool isSilent = copy.NeighborAt(nextHop) is { State: NeighborState.Failed or NeighborState.Incomplete };
        return told with
        {
            Summary = isSilent ? $"Waits for the MAC address of {whom}, who does not answer: it will be dropped (FIB lookup failed)." : $"Waits until {whom} has told its MAC address.",
            Advice = !isSilent ? null : node is null ? "See that the next hop is up and on this network, and that its address is right (cmesh route list)." : $"Start the forwarder of {MeshNames.KeyOf(node)}, or mend its address (cmesh node list).",
        };
    }
}
