namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// A packet's whole life, in order: each line is a stage, each stage a folder of the same number, with the tables that it reads or
/// writes named in its call. docs/a-packets-life.md walks one packet through these lines.
/// </summary>
/// <param name="steering">Null where there is one worker: every packet is its own.</param>
public sealed class PacketPipeline(LiveTables live, FlowSteering? steering = null)
{
    private readonly EstablishedShortcut _shortcut = new(live);

    /// <summary>
    /// Takes the frames of a burst through the stages in order, those of established flows by the shortcut, and counts them. Stops behind a frame
    /// that left something in the outbox: what waited there for a neighbour must leave before the next frame of its flow does.
    /// </summary>
    /// <param name="from">The first frame to take.</param>
    /// <returns>The frame to go on with when the outbox is empty; the burst's count when none is left.</returns>
    public int ProcessBurst(Burst burst, int from, Snapshot s, MonoTime now)
    {
        _shortcut.Prepare(burst, from, s);
        for (int i = from; i < burst.Count; i++)
        {
            ref BurstFrame frame = ref burst.Frames[i];
            if (frame.Verdict == Verdict.Joined) continue;
            int receivedLength = frame.Length;
            if (!_shortcut.TryTake(burst, i, s, now))
            {
                if (steering is not null && !steering.IsOurs(burst, ref frame, s, now))
                {
                    if (live.Fragments.Hold is { ReleasedCount: > 0 }) return i + 1;
                    continue;
                }

                var p = new PacketContext(burst.BufferOf(frame.Buffer), frame.Start, frame.Length, frame.Offload, frame.IngressPort) { Tunnel = frame.Tunnel };
                frame.Take(p, Process(ref p, s, now));
                live.Counters.Events?.Tell(ref p, frame.Verdict, s);
                _shortcut.Learn(i, p, frame.Verdict, s);
            }

            live.Counters.CountVerdict(frame.IngressPort, frame.Verdict, frame.Reason, receivedLength);
            if (live.Outbox.ReadyCount > 0 || live.Fragments.Hold is { ReleasedCount: > 0 }) return i + 1;
        }

        return burst.Count;
    }

    /// <summary>
    /// Takes a fragment that had come before its first through the stages, and has it leave by the outbox. Behind <see cref="ProcessBurst"/>, when what
    /// that left is on its way, as often as it says true.
    /// </summary>
    public bool ProcessReleased(Snapshot s, MonoTime now)
    {
        if (live.Fragments.Hold is not { } hold || !hold.TryTake(out PacketContext p)) return false;
        if (steering is not null && !steering.IsOurs(p, s, now)) return true;

        int receivedLength = p.FrameLength;
        Verdict verdict = p.IngressPort >= s.Ports.Length || s.Ports[p.IngressPort] is null ? p.Drop(DropReason.EgressRefused) : Process(ref p, s, now);
        if (verdict == Verdict.Transmit && !live.Outbox.TryAdd(p)) verdict = p.Drop(DropReason.EgressRefused);
        if (verdict == Verdict.Drop) live.Counters.CountDrop(p.Reason, receivedLength);
        live.Counters.Events?.Tell(ref p, verdict, s);
        return true;
    }

    /// <summary>Takes a frame through the stages. The frame in the context's buffer is then the one that leaves, if the verdict is to transmit.</summary>
    /// <param name="s">The configuration, read once a burst.</param>
    /// <param name="now">The time, read once a burst.</param>
    public Verdict Process(ref PacketContext p, Snapshot s, MonoTime now)
    {
        NoWitness nobody = default;
        return Process(ref p, s, now, ref nobody);
    }

    /// <summary>As <see cref="Process(ref PacketContext, Snapshot, MonoTime)"/>, before the eyes of a witness.</summary>
    public Verdict Process<TWitness>(ref PacketContext p, Snapshot s, MonoTime now, ref TWitness witness)
        where TWitness : struct, IStageWitness
    {
        Verdict v = Verdict.Continue;
        // What is it?
        if (witness.Enters(PipelineStage.Parse, p, v)) v = ParseStage.Run(ref p, s.Ports, live.Neighbors, live.Fragments, now);
        // Came it through a tunnel, and from whom?
        if (witness.Enters(PipelineStage.Decap, p, v)) v = DecapStage.Run(ref p, s.Routes, s.Tunnels, now);
        // Whom is it really for?
        if (witness.Enters(PipelineStage.RevSnat, p, v)) v = RevSnatStage.Run(ref p, s.Masquerade, live.Snat, live.Conntrack, now);
        if (witness.Enters(PipelineStage.Service, p, v)) v = ServiceStage.Run(ref p, s.Services, live.Conntrack, live.Affinities, live.Random, now);
        // Do we know its flow?
        if (witness.Enters(PipelineStage.Conntrack, p, v)) v = ConntrackStage.Run(ref p, live.Conntrack, now);
        if (witness.Enters(PipelineStage.RevDnat, p, v)) v = RevDnatStage.Run(ref p, s.Services, live.Conntrack, live.Snat, now);
        // May they speak to each other?
        if (witness.Enters(PipelineStage.Policy, p, v)) v = PolicyStage.Run(ref p, s.Ipcache, s.Policies);
        // Where does it go, and under whose name?
        if (witness.Enters(PipelineStage.Route, p, v)) v = RouteStage.Run(ref p, s.Routes, s.Services.Options, s.Tunnels);
        if (witness.Enters(PipelineStage.Snat, p, v)) v = SnatStage.Run(ref p, s.Masquerade, s.Ports, live.Snat, live.Conntrack, live.Random, now);
        // It may go: remember its flow and hand it to the link.
        if (witness.Enters(PipelineStage.Confirm, p, v)) v = ConntrackStage.Confirm(ref p, live.Conntrack, now);
        if (witness.Enters(PipelineStage.Encap, p, v)) v = EncapStage.Run(ref p, s.Ports, s.Tunnels, s.Ipcache, now);
        if (witness.Enters(PipelineStage.Transmit, p, v)) v = TransmitStage.Run(ref p, s.Ports, live.Neighbors, live.Outbox, now);
        // It goes no further: tell its sender, where a router would.
        if (v == Verdict.Drop) IcmpAnswer.Send(ref p, s.Ports, s.Tunnels, s.Icmp, live.Icmp, live.Outbox, now);
        return v;
    }
}
