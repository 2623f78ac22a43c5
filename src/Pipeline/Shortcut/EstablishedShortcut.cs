using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The way round the stages for packets of flows that are established: does to the packet, the flow's entries and the neighbour what the stages
/// did to the packet before, and nothing that could be told from it (docs/decisions/0010). Whatever is not plain takes the stages: what begins or
/// ends a flow, fragments, ICMP, options, faults, and every packet whose decision could have come out otherwise since.
/// </summary>
public sealed class EstablishedShortcut(LiveTables live)
{
    /// <summary>Instead of a candidate: the frame is no plain packet; its flow has no entry.</summary>
    private const int NotPlain = -2;

    private const int Unknown = -1;

    private readonly PlainPacket[] _packets = new PlainPacket[Burst.MaxCount];
    private readonly ulong[] _hashes = new ulong[Burst.MaxCount];
    private readonly int[] _candidates = new int[Burst.MaxCount];

    /// <summary>
    /// Reads the rest of a burst and asks for all that its packets will need, one step for all packets before the next, so that their misses overlap.
    /// </summary>
    public void Prepare(Burst burst, int from, Snapshot s)
    {
        ShortcutTable table = live.Shortcuts;
        if (!table.IsEnabled)
        {
            return;
        }

        table.Enter(s, live.Conntrack);
        Span<BurstFrame> frames = burst.Frames;
        for (int i = from; i < frames.Length; i++)
        {
            _candidates[i] = NotPlain;
            ref BurstFrame frame = ref frames[i];
            if (TryRead(burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length), s.Ports[frame.IngressPort], frame.Tunnel.Sender, ref _packets[i]))
            {
                _candidates[i] = Unknown;
                _hashes[i] = table.HashOf(_packets[i].Key);
                table.PrefetchSlot(_hashes[i]);
            }
        }

        for (int i = from; i < frames.Length; i++)
        {
            if (_candidates[i] == Unknown)
            {
                _candidates[i] = table.Candidate(_hashes[i]);
            }
        }

        Span<ConntrackEntry> flows = live.Conntrack.Entries;
        for (int i = from; i < frames.Length; i++)
        {
            if (_candidates[i] >= 0)
            {
                ref readonly ShortcutEntry entry = ref table[_candidates[i]];
                ConntrackTable.PrefetchState(flows, entry.FlowIndex);
                ConntrackTable.PrefetchState(flows, entry.ChoiceIndex);
            }
        }
    }

    /// <summary>Sends a packet of the prepared burst on its flow's way. False when it must take the stages; nothing has happened then.</summary>
    public bool TryTake(Burst burst, int number, Snapshot s, MonoTime now)
    {
        ShortcutTable table = live.Shortcuts;
        ref PlainPacket packet = ref _packets[number];
        if (!table.IsEnabled || _candidates[number] < 0 || !table.Holds(_candidates[number], packet.Key))
        {
            return false;
        }

        ref readonly ShortcutEntry entry = ref table[_candidates[number]];
        Span<ConntrackEntry> flows = live.Conntrack.Entries;
        ref ConntrackEntry flow = ref flows[entry.FlowIndex];
        ref ConntrackEntry choice = ref flows[entry.ChoiceIndex >= 0 ? entry.ChoiceIndex : entry.FlowIndex];
        ref BurstFrame frame = ref burst.Frames[number];
        RouteTarget target = s.Routes[entry.Target];
        Port egress = s.Ports[target.Port];
        TunnelEndpoint? tunnel = target.Tunnel == 0 ? null : s.Tunnels!.Endpoints[target.Tunnel];
        if (!IsAlive(entry, flow, choice, packet, now)
            || (tunnel is not null && frame.Offload.IsTunnelled)
            || ((entry.Flags & ShortcutFlags.Hop) != 0 && packet.HopLimit <= 1)
            || TransmitStage.DatagramLength(packet.Length, packet.TransportOffset + packet.TransportHeaderLength, frame.Offload) > (tunnel is null ? egress.Mtu : s.Tunnels!.MtuTo(target.Tunnel, now)))
        {
            return false;
        }

        MacAddress mac = egress.StationMac;
        if (egress.Kind == PortKind.Uplink && !live.Neighbors.TryResolve(tunnel?.NextHop ?? TransmitStage.NextHop(target, entry.Destination), entry.Neighbor, now, out mac))
        {
            return false;
        }

        // The client's session is told like the stages would, and asked whether it is the one that was met, in one go: others may share the table.
        if (entry.AffinityIndex >= 0
            && !live.Affinities.TryUseAgain(entry.AffinityIndex, entry.AffinityGeneration, choice.BackendId, now))
        {
            return false;
        }

        // From here on it is sure to leave, and what the stages would note is noted.
        int frameLength = EthernetHeader.Length + packet.Length;
        bool isReply = (entry.Flags & ShortcutFlags.Reply) != 0;
        if (entry.ChoiceIndex >= 0)
        {
            ConntrackState.Update(ref choice, packet.Key.Protocol, packet.TcpFlags, isReply: false, frameLength, now);
        }

        ConntrackState.Update(ref flow, packet.Key.Protocol, packet.TcpFlags, isReply, frameLength, now);
        Rewrite(burst.BufferOf(frame.Buffer).Slice(frame.Start, frameLength), packet, entry, frame.Offload, egress.RouterMac, mac);
        frame.Length = frameLength;
        if (tunnel is not null)
        {
            Wrap(burst, ref frame, s, tunnel, entry, packet.Key, mac);
        }

        SetLeaving(ref frame, egress.Id);
        live.Conntrack.FoundCount++;
        table.TakenCount++;
        return true;
    }

    /// <summary>Remembers what the stages did with a packet of the prepared burst, if its flow's next one can go the same way.</summary>
    public void Learn(int number, in PacketContext p, Verdict verdict, Snapshot s)
    {
        if (!live.Shortcuts.IsEnabled || _candidates[number] == NotPlain || verdict != Verdict.Transmit
            || p.FlowIndex < 0 || p.Status is not (ConntrackStatus.Established or ConntrackStatus.Reply))
        {
            return;
        }

        if (p.IsRevSnat && p.ChoiceIndex >= 0)
        {
            return; // The mapping then lives by another flow than the packet's.
        }

        bool isBalanced = p.DirectReturn == DirectReturnRole.Balancer;
        if (isBalanced && p.Key.Protocol != IpProtocol.Tcp)
        {
            return; // Each has the option.
        }

        int choice = isBalanced && p.ChoiceIndex == p.FlowIndex ? -1 : p.ChoiceIndex; // The choice is all the flow that there is: it counts once.

        FlowKey received = _packets[number].Key;
        bool mayBeAnswer = p.IngressKind == PortKind.Uplink && s.Masquerade.IsOwn(received.Destination) && !p.IsRevSnat;
        bool isTranslated = p.AddressDelta != default || p.PortDelta != default || (received with { Reserved = 0 }) != p.Key;
        PortKind egress = s.Ports[p.EgressPort].Kind;
        var entry = new ShortcutEntry
        {
            Key = received,
            FlowIndex = p.FlowIndex,
            FlowGeneration = live.Conntrack[p.FlowIndex].Generation,
            ChoiceIndex = choice,
            ChoiceGeneration = choice < 0 ? 0 : live.Conntrack[choice].Generation,
            AffinityIndex = p.AffinityIndex,
            AffinityGeneration = p.AffinityGeneration,
            Target = p.RouteTarget,
            Source = p.Key.Source,
            Destination = p.Key.Destination,
            SourcePort = p.Key.SourcePort,
            DestinationPort = p.Key.DestinationPort,
            AddressSum = (ushort)p.AddressDelta.Sum,
            PortSum = (ushort)p.PortDelta.Sum,
            Neighbor = egress == PortKind.Uplink ? (ushort)live.Neighbors.IndexOf(p.NextHop == default ? TransmitStage.NextHop(p.Route, p.Key.Destination) : p.NextHop) : (ushort)0,
            Flags = (p.IsReply ? ShortcutFlags.Reply : 0)
                | (TransmitStage.IsHop(p.IngressKind, egress) ? ShortcutFlags.Hop : 0)
                | (isTranslated ? ShortcutFlags.Translated : 0)
                | (mayBeAnswer ? ShortcutFlags.MayBeAnswer : 0),
        };
        live.Shortcuts.Set(_hashes[number], entry);
    }

    private static void SetLeaving(ref BurstFrame frame, int port)
    {
        frame.EgressPort = port;
        frame.Verdict = Verdict.Transmit;
        frame.Reason = DropReason.None;
        frame.ReasonDetail = 0;
    }

    /// <summary>The port, or the tunnel: what comes by another is another flow's, or a forgery, and takes the stages.</summary>
    private static ushort IngressOf(int port, int sender) => (ushort)(sender == 0 ? port : Port.MaxCount + sender);

    private static bool TryRead(Span<byte> frame, Port port, int sender, ref PlainPacket packet)
    {
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet) || ethernet.Destination != port.RouterMac
            || !PlainPacket.TryParse(frame[EthernetHeader.Length..], ethernet.Type, ref packet))
        {
            return false;
        }

        packet.Key = packet.Key with { Reserved = IngressOf(port.Id, sender) };
        return true;
    }

    /// <summary>The flow, and the choice if there is one, are those that were met, and alive; and no masqueraded flow has taken the tuple.</summary>
    private bool IsAlive(in ShortcutEntry entry, in ConntrackEntry flow, in ConntrackEntry choice, in PlainPacket packet, MonoTime now)
    {
        if (!ConntrackTable.IsAlive(flow, entry.FlowGeneration, now)
            || (entry.ChoiceIndex >= 0 && !ConntrackTable.IsAlive(choice, entry.ChoiceGeneration, now)))
        {
            return false;
        }

        return (entry.Flags & ShortcutFlags.MayBeAnswer) == 0 || live.Snat.FindReverse(packet.Key with { Reserved = 0 }) < 0;
    }

    private static void Wrap(Burst burst, ref BurstFrame frame, Snapshot s, TunnelEndpoint tunnel, in ShortcutEntry entry, in FlowKey received, MacAddress destination)
    {
        frame.Start -= tunnel.Template.Length;
        frame.Length += tunnel.Template.Length;
        Span<byte> bytes = burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
        VirtioNetHeader offload = frame.Offload;
        uint identity = TunnelTable.IdentityOf(s.Ipcache, s.Ports[frame.IngressPort].Kind, frame.Tunnel, received.Source);
        var key = new FlowKey(entry.Source, entry.Destination, entry.SourcePort, entry.DestinationPort, received.Protocol);
        Encapsulation.Wrap(bytes, ref offload, s.Tunnels!, tunnel, identity, key);
        frame.Offload = offload;
        EthernetHeader ethernet = EthernetHeader.Of(bytes);
        ethernet.Source = s.Ports[s.UplinkPort].RouterMac;
        ethernet.Destination = destination;
    }

    private static void Rewrite(Span<byte> frame, in PlainPacket packet, in ShortcutEntry entry, in VirtioNetHeader offload, MacAddress source, MacAddress destination)
    {
        Span<byte> datagram = frame[EthernetHeader.Length..];
        if ((entry.Flags & ShortcutFlags.Translated) != 0)
        {
            bool isPartial = offload.HasPartialChecksum && offload.ChecksumStart == EthernetHeader.Length + packet.TransportOffset;
            packet.Rewrite(
                datagram, entry.Source, entry.Destination, entry.SourcePort, entry.DestinationPort, new ChecksumDelta(entry.AddressSum), new ChecksumDelta(entry.PortSum), isPartial);
        }

        if ((entry.Flags & ShortcutFlags.Hop) != 0)
        {
            packet.DecrementHopLimit(datagram);
        }

        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Source = source;
        ethernet.Destination = destination;
    }
}
