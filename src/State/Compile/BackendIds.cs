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
    private readonly Dictionary<BackendKey, Use> _uses = [];
    private uint _last;

    public int Count => _uses.Count;

    /// <summary>So many more are about to be taken.</summary>
    public void Reserve(int count) => Room.For(_uses, count);

    /// <summary>0 when no service has the backend.</summary>
    public uint Of(BackendSpec backend, IpProtocol protocol) =>
        _uses.TryGetValue(new BackendKey(backend.Address, backend.Port, protocol), out Use use) ? use.Id : 0;

    /// <summary>One service more has the backend.</summary>
    public uint Take(BackendSpec backend, IpProtocol protocol)
    {
        ref Use use = ref CollectionsMarshal.GetValueRefOrAddDefault(_uses, new BackendKey(backend.Address, backend.Port, protocol), out bool isKnown);
        if (!isKnown)
        {
            use.Id = checked(++_last);
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

    private readonly record struct BackendKey(IpAddress Address, ushort Port, IpProtocol Protocol);

    private record struct Use(uint Id, int Count);
}
