using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// All frontends by (address, port, protocol), and by id for replies. Immutable: a change shares every page with the table before it but those
/// in which something changed (<see cref="ServiceTableWriter"/>). An id is a slot number, from 1, in its low 20 bits and the slot's generation
/// above, so that a flow of a removed frontend never takes a later one for its own.
/// </summary>
public sealed class ServiceTable
{
    public const int SlotBits = 20;

    /// <summary>A page holds so many places or slots.</summary>
    internal const int PageLength = 1 << PageBits;
    internal const int PageMask = PageLength - 1;
    internal const int PageBits = 8;
    internal const uint SlotMask = (1u << SlotBits) - 1;

    private readonly ServiceIndexEntry[][] _index;
    private readonly Frontend?[][] _bySlot;
    private readonly ulong _seed;
    private readonly uint _indexMask;

    /// <param name="index">Pages of places, a power of two of them; open addressing with linear probing.</param>
    /// <param name="bySlot">Pages of frontends at the slots of their ids.</param>
    internal ServiceTable(ServiceIndexEntry[][] index, Frontend?[][] bySlot, ServiceOptions options, ulong seed)
    {
        _index = index;
        _bySlot = bySlot;
        _seed = seed;
        _indexMask = (uint)(index.Length * PageLength) - 1;
        Options = options;
    }

    /// <summary>Protocol of a frontend that takes TCP, UDP and SCTP where they have none of their own (Cilium's ANY, number 0).</summary>
    public const IpProtocol AnyProtocol = IpProtocol.HopByHop;

    public static ServiceTable Empty { get; } = new ServiceTableWriter(ServiceOptions.Default, 0).Publish();

    /// <summary>What holds for all frontends of the node.</summary>
    public ServiceOptions Options { get; }

    /// <summary>Protocols that services have.</summary>
    public static bool IsServed(IpProtocol protocol) => protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp;

    /// <summary>The frontend of exactly this protocol, else one for any.</summary>
    public bool TryFind(IpAddress address, ushort port, IpProtocol protocol, out Frontend? frontend) =>
        TryFindExact(address, port, protocol, out frontend) || (Options.HasAnyProtocol && TryFindExact(address, port, AnyProtocol, out frontend));

    /// <summary>A ClusterIP or LoadBalancer service has the address, on whatever port.</summary>
    public bool HasWildcard(IpAddress address) => TryFindExact(address, 0, AnyProtocol, out _);

    public bool TryGet(uint id, out Frontend? frontend)
    {
        uint slot = id & SlotMask;
        frontend = slot >> PageBits < (uint)_bySlot.Length ? _bySlot[slot >> PageBits][slot & PageMask] : null;
        return frontend is not null && frontend.Id == id;
    }

    internal static uint TagOf(IpAddress address, ushort port, IpProtocol protocol, ulong seed) =>
        (uint)(new FlowKey(default, address, 0, port, protocol).Hash(seed) >> 32);

    private bool TryFindExact(IpAddress address, ushort port, IpProtocol protocol, out Frontend? frontend)
    {
        uint tag = TagOf(address, port, protocol, _seed);
        for (uint i = tag & _indexMask; ; i = (i + 1) & _indexMask)
        {
            ServiceIndexEntry place = _index[i >> PageBits][i & PageMask];
            frontend = place.Frontend;
            if (frontend is null)
            {
                return false;
            }

            if (place.Tag == tag && frontend.Address == address && frontend.Port == port && frontend.Protocol == protocol)
            {
                return true;
            }
        }
    }
}
