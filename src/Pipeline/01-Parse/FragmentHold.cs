using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Fragments that came before the first of their datagram, whole, until it comes. Slots with buffers of their own, taken once; who floods
/// them finds them full and is dropped, and one of his gives way to a port's that has fewer there. One owner: the worker.
/// </summary>
/// <param name="counters">Count those that are given up.</param>
public sealed class FragmentHold(DatapathCounters counters)
{
    /// <summary>Fragments of one datagram: 64 KB in pieces of 1,480 bytes are 45.</summary>
    public const int PerDatagramCount = 45;

    public const int SlotCount = 256;

    /// <summary>What is merely overtaken on the way comes much sooner.</summary>
    public const int WaitSeconds = 1;

    /// <summary>Frames of links with jumbo frames; longer ones are not held.</summary>
    public const int LongestFrame = 9216;

    private const int SlotLength = PacketContext.Headroom + LongestFrame;
    private readonly byte[] _buffers = new byte[SlotCount * SlotLength];
    private readonly Slot[] _slots = new Slot[SlotCount];

    /// <summary>Waiting ones by the port that they came by.</summary>
    private readonly int[] _ofPort = new int[Port.MaxCount];
    private ulong _sequence;

    private enum SlotState : byte
    {
        Free,
        Waiting,
        Released,
    }

    /// <summary>Fragments that wait.</summary>
    public int WaitingCount { get; private set; }

    /// <summary>Fragments whose first has come and that can go on.</summary>
    public int ReleasedCount { get; private set; }

    /// <summary>Fragments that were held since start.</summary>
    public ulong HeldCount { get; private set; }

    /// <summary>Keeps a copy of a fragment; false when there is no room, for it or for more of its datagram.</summary>
    public bool TryHold(in PacketContext p, uint id, MonoTime now)
    {
        int free = -1;
        int ofDatagram = 0;
        for (int i = 0; i < SlotCount; i++)
        {
            ref readonly Slot slot = ref _slots[i];
            free = free < 0 && slot.State == SlotState.Free ? i : free;
            ofDatagram += slot.State == SlotState.Waiting && slot.Id == id && slot.Key == p.Key ? 1 : 0;
        }

        if (ofDatagram >= PerDatagramCount || p.FrameLength > LongestFrame)
        {
            return false;
        }

        free = free < 0 ? TakeFromMost(p.IngressPort) : free;
        if (free < 0)
        {
            return false;
        }

        p.Frame.CopyTo(BufferOf(free)[PacketContext.Headroom..]);
        _slots[free] = new Slot(SlotState.Waiting, p.Key, id, p.IngressPort, p.FrameLength, p.Offload, now.PlusSeconds(WaitSeconds), _sequence++, p.Tunnel);
        WaitingCount++;
        _ofPort[p.IngressPort]++;
        HeldCount++;
        return true;
    }

    /// <summary>The first fragment has come: those of its datagram go on behind it.</summary>
    /// <param name="key">Addresses and protocol, ports 0.</param>
    public void Release(in FlowKey key, uint id)
    {
        for (int i = 0; WaitingCount > 0 && i < SlotCount; i++)
        {
            ref Slot slot = ref _slots[i];
            if (slot.State == SlotState.Waiting && slot.Id == id && slot.Key == key)
            {
                slot = slot with { State = SlotState.Released };
                WaitingCount--;
                _ofPort[slot.Port]--;
                ReleasedCount++;
            }
        }
    }

    /// <summary>The fragment that can go on and came first; its buffer is good until the next one is held.</summary>
    public bool TryTake(out PacketContext packet)
    {
        int oldest = -1;
        for (int i = 0; ReleasedCount > 0 && i < SlotCount; i++)
        {
            if (_slots[i].State == SlotState.Released && (oldest < 0 || _slots[i].Sequence < _slots[oldest].Sequence))
            {
                oldest = i;
            }
        }

        packet = default;
        if (oldest < 0)
        {
            return false;
        }

        Slot taken = _slots[oldest];
        packet = new PacketContext(BufferOf(oldest), PacketContext.Headroom, taken.Length, taken.Offload, taken.Port) { Tunnel = taken.Tunnel };
        _slots[oldest] = default;
        ReleasedCount--;
        return true;
    }

    /// <summary>Drops and counts those whose first has not come in time.</summary>
    public void Expire(MonoTime now)
    {
        for (int i = 0; WaitingCount > 0 && i < SlotCount; i++)
        {
            if (_slots[i].State == SlotState.Waiting && _slots[i].Until.Nanoseconds <= now.Nanoseconds)
            {
                GiveUp(i);
            }
        }
    }

    /// <summary>The slot of the newest fragment of the port that has most of them, which is given up; -1 when the port in question would then have as many.</summary>
    private int TakeFromMost(int port)
    {
        int most = -1;
        for (int i = 0; i < SlotCount; i++)
        {
            ref readonly Slot slot = ref _slots[i];
            if (slot.State != SlotState.Waiting)
            {
                continue;
            }

            bool isNewer = most >= 0 && slot.Port == _slots[most].Port && slot.Sequence > _slots[most].Sequence;
            most = most < 0 || isNewer || _ofPort[slot.Port] > _ofPort[_slots[most].Port] ? i : most;
        }

        if (most < 0 || _ofPort[_slots[most].Port] <= _ofPort[port] + 1)
        {
            return -1;
        }

        GiveUp(most);
        return most;
    }

    private void GiveUp(int index)
    {
        ref Slot slot = ref _slots[index];
        counters.CountDrop(DropReason.FirstFragmentMissing, slot.Length, BufferOf(index).Slice(PacketContext.Headroom, slot.Length), slot.Port);
        _ofPort[slot.Port]--;
        slot = default;
        WaitingCount--;
    }

    private Span<byte> BufferOf(int slot) => _buffers.AsSpan(slot * SlotLength, SlotLength);

    private readonly record struct Slot(
        SlotState State, FlowKey Key, uint Id, int Port, int Length, VirtioNetHeader Offload, MonoTime Until, ulong Sequence, TunnelNote Tunnel);
}
