using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// All frontends by (address, port, protocol), and by id for replies. Immutable. An id is a slot number, from 1, in its low
/// 20 bits and the slot's generation above, so that a flow of a removed frontend never takes a later one for its own.
/// </summary>
public sealed class ServiceTable
{
    public const int SlotBits = 20;
    private const uint SlotMask = (1u << SlotBits) - 1;
    private readonly Frontend?[] _bySlot;
    private readonly int[] _index;
    private readonly ulong _seed;

    /// <param name="bySlot">Frontends at the slots of their ids; slot 0 stays empty. The table keeps the array.</param>
    public ServiceTable(Frontend?[] bySlot, ulong seed)
    {
        _bySlot = bySlot;
        _seed = seed;
        int length = 16;
        while (length < bySlot.Length * 2)
        {
            length *= 2;
        }

        _index = new int[length];
        foreach (Frontend? frontend in bySlot)
        {
            if (frontend is not null)
            {
                Index(frontend);
            }
        }
    }

    private ServiceTable(Frontend?[] bySlot, int[] index, ulong seed)
    {
        _bySlot = bySlot;
        _index = index;
        _seed = seed;
    }

    public static ServiceTable Empty { get; } = new([null], 0);

    public bool TryFind(IpAddress address, ushort port, IpProtocol protocol, out Frontend? frontend)
    {
        int mask = _index.Length - 1;
        for (int i = Home(address, port, protocol); _index[i] != 0; i = (i + 1) & mask)
        {
            frontend = _bySlot[_index[i]];
            if (frontend is not null && frontend.Address == address && frontend.Port == port && frontend.Protocol == protocol)
            {
                return true;
            }
        }

        frontend = null;
        return false;
    }

    public bool TryGet(uint id, out Frontend? frontend)
    {
        uint slot = id & SlotMask;
        frontend = slot < _bySlot.Length ? _bySlot[slot] : null;
        return frontend is not null && frontend.Id == id;
    }

    /// <summary>The same frontends, some with other backends: the index is shared, which makes a change of backends cheap.</summary>
    public ServiceTable WithBackends(IEnumerable<Frontend> changed)
    {
        var bySlot = (Frontend?[])_bySlot.Clone();
        foreach (Frontend frontend in changed)
        {
            bySlot[frontend.Id & SlotMask] = frontend;
        }

        return new ServiceTable(bySlot, _index, _seed);
    }

    private void Index(Frontend frontend)
    {
        int mask = _index.Length - 1;
        int i = Home(frontend.Address, frontend.Port, frontend.Protocol);
        while (_index[i] != 0)
        {
            i = (i + 1) & mask;
        }

        _index[i] = (int)(frontend.Id & SlotMask);
    }

    private int Home(IpAddress address, ushort port, IpProtocol protocol) =>
        (int)(new FlowKey(default, address, 0, port, protocol).Hash(_seed) >> 32) & (_index.Length - 1);
}
