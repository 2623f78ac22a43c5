using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Frames that leave beside the one in hand: questions for neighbours, and packets that wait for the answer. Slots with buffers of
/// their own, taken once. When those for waiting packets are in use the newest packet is dropped. One owner: the worker.
/// </summary>
public sealed class Outbox
{
    /// <summary>Frames one silent neighbour may hold up, as a kernel would queue.</summary>
    private const int MaxHeldPerNeighbor = 16;

    /// <summary>The frames of one port, a pod's or the uplink's, take one in so many of those that may wait: who sends to the silent leaves room for others.</summary>
    private const int PortShare = 2;

    /// <summary>One slot in so many is never held, so that packets for the silent do not keep the others from being asked for.</summary>
    private const int SolicitationShare = 4;

    private const int SlotLength = VirtioNetHeader.Length + PacketContext.BufferLength;
    private readonly byte[] _buffers;
    private readonly Slot[] _slots;
    private readonly int _heldLimit;
    private readonly int _portLimit;
    private ulong _sequence;

    public Outbox(int slotCount)
    {
        _slots = new Slot[slotCount];
        _buffers = new byte[slotCount * SlotLength];
        _heldLimit = slotCount - (slotCount / SolicitationShare);
        _portLimit = (_heldLimit + PortShare - 1) / PortShare;
    }

    /// <summary>An outbox in which as much waits as in another, without the frames; takes as many more for each neighbour and of each port as that one would.</summary>
    /// <param name="held">For whom frames wait there, and by which port they came.</param>
    /// <param name="freeCount">Slots for others.</param>
    public Outbox(Outbox original, ReadOnlySpan<(IpAddress Neighbor, int Ingress)> held, int freeCount)
    {
        _slots = new Slot[freeCount + held.Length];
        _buffers = new byte[freeCount * SlotLength];
        _heldLimit = original._heldLimit;
        _portLimit = original._portLimit;
        HeldCount = held.Length;
        for (int i = 0; i < held.Length; i++)
        {
            _slots[freeCount + i] = new Slot(SlotState.Held, 0, 0, held[i].Neighbor, held[i].Ingress, 0);
        }
    }

    /// <summary>For how many frames there is room.</summary>
    public int SlotCount => _slots.Length;

    private enum SlotState : byte
    {
        Free,
        Held,
        Ready,
    }

    /// <summary>Frames that wait for a neighbour.</summary>
    public int HeldCount { get; private set; }

    /// <summary>Frames that can leave.</summary>
    public int ReadyCount { get; private set; }

    /// <summary>Keeps a copy of a packet, complete but for its destination MAC, until <see cref="Release"/>.</summary>
    public bool TryHold(in PacketContext p, IpAddress neighbor)
    {
        int ofNeighbor = 0;
        int ofPort = 0;
        foreach (ref readonly Slot slot in _slots.AsSpan())
        {
            ofNeighbor += slot.State == SlotState.Held && slot.Neighbor == neighbor ? 1 : 0;
            ofPort += slot.State == SlotState.Held && slot.Ingress == p.IngressPort ? 1 : 0;
        }

        bool hasRoom = ofNeighbor < MaxHeldPerNeighbor && ofPort < _portLimit && HeldCount < _heldLimit;
        int index = hasRoom ? FindFree() : -1;
        if (index < 0)
        {
            return false;
        }

        Span<byte> buffer = BufferOf(index);
        p.Offload.WriteTo(buffer);
        p.Frame.CopyTo(buffer[VirtioNetHeader.Length..]);
        _slots[index] = new Slot(SlotState.Held, p.EgressPort, VirtioNetHeader.Length + p.FrameLength, neighbor, p.IngressPort, _sequence++);
        HeldCount++;
        return true;
    }

    /// <summary>For whom frames wait and by which port they came, one of these for each frame.</summary>
    /// <param name="held">Room for all slots.</param>
    /// <returns>How many there are.</returns>
    public int CopyHeld(Span<(IpAddress Neighbor, int Ingress)> held)
    {
        int count = 0;
        foreach (ref readonly Slot slot in _slots.AsSpan())
        {
            if (slot.State == SlotState.Held)
            {
                held[count++] = (slot.Neighbor, slot.Ingress);
            }
        }

        return count;
    }

    /// <summary>Whether a packet waits for the neighbour.</summary>
    public bool HasHeld(IpAddress neighbor)
    {
        for (int i = 0; HeldCount > 0 && i < _slots.Length; i++)
        {
            if (_slots[i].State == SlotState.Held && _slots[i].Neighbor == neighbor)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The neighbour's MAC is known: what waited for it can leave.</summary>
    public void Release(IpAddress neighbor, MacAddress mac)
    {
        for (int i = 0; HeldCount > 0 && i < _slots.Length; i++)
        {
            ref Slot slot = ref _slots[i];
            if (slot.State == SlotState.Held && slot.Neighbor == neighbor && slot.Length == 0)
            {
                slot = default; // Stands for a frame of another outbox.
                HeldCount--;
            }
            else if (slot.State == SlotState.Held && slot.Neighbor == neighbor)
            {
                EthernetHeader ethernet = EthernetHeader.Of(BufferOf(i)[VirtioNetHeader.Length..]);
                ethernet.Destination = mac;
                slot = slot with { State = SlotState.Ready };
                HeldCount--;
                ReadyCount++;
            }
        }
    }

    /// <summary>The neighbour does not answer: what waited for it is dropped and counted.</summary>
    public void Discard(IpAddress neighbor, DatapathCounters counters)
    {
        for (int i = 0; HeldCount > 0 && i < _slots.Length; i++)
        {
            ref Slot slot = ref _slots[i];
            if (slot.State == SlotState.Held && slot.Neighbor == neighbor)
            {
                Span<byte> frame = BufferOf(i)[VirtioNetHeader.Length..slot.Length];
                counters.CountDrop(DropReason.NoRoute, frame.Length, frame, slot.Port, NoRouteDetail.NoNeighbor);
                slot = default;
                HeldCount--;
            }
        }
    }

    /// <summary>An ARP request or neighbour solicitation; to everyone, or to a known MAC that is to be confirmed. False when no slot is free.</summary>
    public bool TryAddSolicitation(Port uplink, IpAddress own, IpAddress target, MacAddress known)
    {
        int index = FindFree();
        if (index < 0)
        {
            return false;
        }

        Span<byte> buffer = BufferOf(index);
        default(VirtioNetHeader).WriteTo(buffer);
        Span<byte> frame = buffer[VirtioNetHeader.Length..];
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Source = uplink.RouterMac;
        Span<byte> payload = frame[EthernetHeader.Length..];
        int length;
        if (target.IsIpv4)
        {
            ethernet.Type = EtherType.Arp;
            ethernet.Destination = known == default ? MacAddress.Broadcast : known;
            ArpPacket.Write(payload, ArpOperation.Request, uplink.RouterMac, own, default, target);
            length = ArpPacket.Length;
        }
        else
        {
            IpAddress group = NeighborMessage.SolicitedNode(target);
            ethernet.Type = EtherType.Ipv6;
            ethernet.Destination = known == default ? MacAddress.ForMulticast(group) : known;
            length = NeighborMessage.Write(payload, NeighborMessage.Solicitation, own, known == default ? group : target, target, uplink.RouterMac);
        }

        _slots[index] = new Slot(SlotState.Ready, uplink.Id, VirtioNetHeader.Length + EthernetHeader.Length + length, target, 0, _sequence++);
        ReadyCount++;
        return true;
    }

    /// <summary>Takes a copy of a packet that leaves at once. False when no slot is free.</summary>
    public bool TryAdd(in PacketContext p)
    {
        if (!TryReserve(out int slot, out Span<byte> buffer))
        {
            return false;
        }

        p.Offload.WriteTo(buffer);
        p.Frame.CopyTo(buffer[VirtioNetHeader.Length..]);
        Ready(slot, p.EgressPort, p.FrameLength);
        return true;
    }

    /// <summary>A free slot for a frame that leaves at once, to be written and then handed in by <see cref="Ready"/>. False when none is free.</summary>
    /// <param name="buffer">The whole slot: room for a virtio header and any frame.</param>
    public bool TryReserve(out int slot, out Span<byte> buffer)
    {
        slot = FindFree();
        buffer = slot < 0 ? default : BufferOf(slot);
        return slot >= 0;
    }

    /// <summary>The frame in a reserved slot leaves by a port, behind those that are ready already.</summary>
    /// <param name="frameLength">Without the virtio header.</param>
    public void Ready(int slot, int port, int frameLength)
    {
        _slots[slot] = new Slot(SlotState.Ready, port, VirtioNetHeader.Length + frameLength, default, 0, _sequence++);
        ReadyCount++;
    }

    /// <summary>The oldest frame that can leave, with its virtio header; the span is good until the next call on the outbox.</summary>
    public bool TryTake(out int port, out Span<byte> frame)
    {
        int oldest = -1;
        for (int i = 0; ReadyCount > 0 && i < _slots.Length; i++)
        {
            if (_slots[i].State == SlotState.Ready && (oldest < 0 || _slots[i].Sequence < _slots[oldest].Sequence))
            {
                oldest = i;
            }
        }

        port = oldest < 0 ? -1 : _slots[oldest].Port;
        frame = oldest < 0 ? default : BufferOf(oldest)[.._slots[oldest].Length];
        if (oldest >= 0)
        {
            _slots[oldest] = default;
            ReadyCount--;
        }

        return oldest >= 0;
    }

    private int FindFree()
    {
        for (int i = 0; i < _slots.Length; i++)
        {
            if (_slots[i].State == SlotState.Free)
            {
                return i;
            }
        }

        return -1;
    }

    private Span<byte> BufferOf(int slot) => _buffers.AsSpan(slot * SlotLength, SlotLength);

    /// <param name="Port">That it leaves by.</param>
    /// <param name="Ingress">That it came by, of a held one.</param>
    private readonly record struct Slot(SlotState State, int Port, int Length, IpAddress Neighbor, int Ingress, ulong Sequence);
}
