using System.Runtime.InteropServices;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Numbers of backends. One belongs to (address, port, protocol) as long as any service has that, and is given to no other ever after: a flow that
/// remembers a backend that is gone meets no stranger.
/// </summary>
internal sealed class BackendIds
{
    private readonly Dictionary<BackendKey, uint> _kept;
    private readonly Dictionary<BackendKey, Use> _uses = [];
    private uint _last;

    /// <param name="kept">Numbers that backends had in the process before this one, for when they come again.</param>
    public BackendIds(IReadOnlyDictionary<BackendKey, uint> kept)
    {
        _kept = new Dictionary<BackendKey, uint>(kept);
        _last = _kept.Count == 0 ? 0 : _kept.Values.Max();
    }

    public int Count => _uses.Count;

    /// <summary>All that are given, and those kept for backends that have not come again.</summary>
    public IEnumerable<KeyValuePair<BackendKey, uint>> Given => _uses.Select(u => KeyValuePair.Create(u.Key, u.Value.Id)).Concat(_kept);

    /// <summary>So many more are about to be taken.</summary>
    public void Reserve(int count) => Room.For(_uses, count);

    /// <summary>0 when no service has the backend.</summary>
    public uint Of(BackendSpec backend, IpProtocol protocol) =>
        _uses.TryGetValue(new BackendKey(backend.Address, backend.Port, protocol), out Use use) ? use.Id : 0;

    /// <summary>One service more has the backend.</summary>
    public uint Take(BackendSpec backend, IpProtocol protocol)
    {
        var key = new BackendKey(backend.Address, backend.Port, protocol);
        ref Use use = ref CollectionsMarshal.GetValueRefOrAddDefault(_uses, key, out bool isKnown);
        if (!isKnown)
        {
            use.Id = _kept.Remove(key, out uint id) ? id : checked(++_last);
        }

        use.Count++;
        return use.Id;
    }

    /// <summary>One service less has it.</summary>
    public void Release(BackendSpec backend, IpProtocol protocol)
    {
        var key = new BackendKey(backend.Address, backend.Port, protocol);
        ref Use use = ref CollectionsMarshal.GetValueRefOrNullRef(_uses, key);
        if (--use.Count == 0)
        {
            _uses.Remove(key);
        }
    }

    private record struct Use(uint Id, int Count);
}
