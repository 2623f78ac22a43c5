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

    public bool Contains(IpAddress address, ushort port, IpProtocol protocol)
    {
        Slot[] slots = Volatile.Read(ref _slots);
        int mask = slots.Length - 1;
        for (int i = Home(address, port, protocol, mask); Volatile.Read(ref slots[i].IsUsed) != 0; i = (i + 1) & mask)
        {
            if (slots[i].Address == address && slots[i].Port == port && slots[i].Protocol == protocol)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>By the writer only.</summary>
    public void Add(IpAddress address, ushort port, IpProtocol protocol)
    {
        if (Contains(address, port, protocol))
        {
            return;
        }

        if ((Count + 1) * 2 > _slots.Length)
        {
            var larger = new Slot[_slots.Length * 2];
            foreach (ref readonly Slot slot in _slots.AsSpan())
            {
                if (slot.IsUsed != 0)
                {
                    Put(larger, slot.Address, slot.Port, slot.Protocol);
                }
            }

            Volatile.Write(ref _slots, larger);
        }

        Put(_slots, address, port, protocol);
        Count++;
    }

    private void Put(Slot[] slots, IpAddress address, ushort port, IpProtocol protocol)
    {
        int mask = slots.Length - 1;
        int i = Home(address, port, protocol, mask);
        while (slots[i].IsUsed != 0)
        {
            i = (i + 1) & mask;
        }

        slots[i].Address = address;
        slots[i].Port = port;
        slots[i].Protocol = protocol;
        Volatile.Write(ref slots[i].IsUsed, 1); // Last: who sees it sees the rest.
    }

    private int Home(IpAddress address, ushort port, IpProtocol protocol, int mask) =>
        (int)(new FlowKey(address, default, port, 0, protocol).Hash(seed) >> 32) & mask;

    private struct Slot
    {
        public IpAddress Address;
        public ushort Port;
        public IpProtocol Protocol;
        public byte IsUsed;
    }
}
