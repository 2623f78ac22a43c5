using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Where services of this process lead or ever led: tells steering that a packet may be a service's answer, whose client is its destination. A backend
/// is taken up before a packet can be sent to it and never taken out, since its flows may outlive it. One writer, any number of readers.
/// </summary>
public sealed class KnownBackends(ulong seed)
{
    private const int FirstLength = 1024;
    private Slot[] _slots = new Slot[FirstLength];

    public int Count { get; private set; }

    public KnownBackend Find(IpAddress address, ushort port, IpProtocol protocol)
    {
        Slot[] slots = Volatile.Read(ref _slots);
        return (KnownBackend)Volatile.Read(ref slots[SlotOf(slots, address, port, protocol)].Known);
    }

    /// <summary>By the writer only.</summary>
    /// <param name="hasSessions">Of a service with session affinity.</param>
    public void Add(IpAddress address, ushort port, IpProtocol protocol, bool hasSessions)
    {
        KnownBackend known = hasSessions ? KnownBackend.WithSessions : KnownBackend.Plain;
        if (protocol == ServiceTable.AnyProtocol)
        {
            Add(address, port, IpProtocol.Tcp, known);
            Add(address, port, IpProtocol.Udp, known);
            Add(address, port, IpProtocol.Sctp, known);
        }
        else
        {
            Add(address, port, protocol, known);
        }
    }

    private void Add(IpAddress address, ushort port, IpProtocol protocol, KnownBackend known)
    {
        ref Slot present = ref _slots[SlotOf(_slots, address, port, protocol)];
        if (present.Known != 0)
        {
            Volatile.Write(ref present.Known, Math.Max(present.Known, (byte)known));
            return;
        }

        if ((Count + 1) * 2 > _slots.Length)
        {
            var larger = new Slot[_slots.Length * 2];
            foreach (ref readonly Slot slot in _slots.AsSpan())
            {
                if (slot.Known != 0)
                {
                    larger[SlotOf(larger, slot.Address, slot.Port, slot.Protocol)] = slot;
                }
            }

            Volatile.Write(ref _slots, larger);
        }

        ref Slot free = ref _slots[SlotOf(_slots, address, port, protocol)];
        free.Address = address;
        free.Port = port;
        free.Protocol = protocol;
        Volatile.Write(ref free.Known, (byte)known); // Last: who sees it sees the rest.
        Count++;
    }

    /// <summary>Where the end is, or where it would be.</summary>
    private int SlotOf(Slot[] slots, IpAddress address, ushort port, IpProtocol protocol)
    {
        int mask = slots.Length - 1;
        int i = Home(address, port, protocol, mask);
        while (Volatile.Read(ref slots[i].Known) != 0 && (slots[i].Address != address || slots[i].Port != port || slots[i].Protocol != protocol))
        {
            i = (i + 1) & mask;
        }

        return i;
    }

    private int Home(IpAddress address, ushort port, IpProtocol protocol, int mask) =>
        (int)(new FlowKey(address, default, port, 0, protocol).Hash(seed) >> 32) & mask;

    private struct Slot
    {
        public IpAddress Address;
        public ushort Port;
        public IpProtocol Protocol;
        public byte Known;
    }
}
