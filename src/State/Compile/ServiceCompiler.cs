using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Turns services into frontends with stable ids. A frontend keeps its id as long as it is there, whatever becomes of its backends;
/// a backend's id belongs to (address, port, protocol) and is never given to another.
/// </summary>
internal sealed class ServiceCompiler(LocalNodeSpec local, ulong seed)
{
    private const uint SlotMask = (1u << ServiceTable.SlotBits) - 1;
    private const uint LastGeneration = (1u << (32 - ServiceTable.SlotBits)) - 1;

    private readonly Dictionary<FrontendKey, uint> _idOf = [];
    private readonly Dictionary<string, Frontend[]> _frontendsOf = [];
    private readonly List<uint> _generations = [0];
    private readonly Stack<int> _freeSlots = new();
    private readonly Dictionary<BackendKey, (uint Id, int Uses)> _backends = [];
    private uint _lastBackendId;
    private ServiceTable _table = ServiceTable.Empty;

    public int BackendCount => _backends.Count;

    public int FrontendCount => _idOf.Count;

    /// <summary>Frontends of a service as last compiled.</summary>
    public IReadOnlyList<Frontend> FrontendsOf(string service) => _frontendsOf.TryGetValue(service, out Frontend[]? frontends) ? frontends : [];

    public ServiceTable Update(KindDifference<ServiceSpec> difference)
    {
        if (difference.IsEmpty)
        {
            return _table;
        }

        var freed = new Dictionary<FrontendKey, uint>();
        foreach (ServiceSpec service in difference.Gone)
        {
            foreach (Frontend frontend in _frontendsOf[service.Name])
            {
                var key = new FrontendKey(frontend.Address, frontend.Port, frontend.Protocol);
                freed[key] = frontend.Id;
                _idOf.Remove(key);
            }

            _frontendsOf.Remove(service.Name);
        }

        // Backends are taken up before those that left are given back, so that one that stays keeps its id.
        bool sameFrontends = true;
        foreach (ServiceSpec service in difference.Come)
        {
            _frontendsOf[service.Name] = Compile(service, freed, ref sameFrontends);
        }

        foreach (ServiceSpec service in difference.Gone)
        {
            Release(service);
        }

        foreach (uint id in freed.Values)
        {
            // A slot whose generations are used up is given away no more: an id is never that of two frontends.
            int slot = (int)(id & SlotMask);
            if (++_generations[slot] <= LastGeneration)
            {
                _freeSlots.Push(slot);
            }
        }

        _table = sameFrontends && freed.Count == 0 ? _table.WithBackends(difference.Come.SelectMany(s => _frontendsOf[s.Name])) : Rebuild();
        return _table;
    }

    private ServiceTable Rebuild()
    {
        var bySlot = new Frontend?[_generations.Count];
        foreach (Frontend frontend in _frontendsOf.Values.SelectMany(f => f))
        {
            bySlot[frontend.Id & SlotMask] = frontend;
        }

        return new ServiceTable(bySlot, seed);
    }

    private Frontend[] Compile(ServiceSpec service, Dictionary<FrontendKey, uint> freed, ref bool sameFrontends)
    {
        // Slots as Cilium sorts them: active before terminating, then by address and port.
        BackendSpec[] specs = [.. service.Backends.OrderBy(b => b.State).ThenBy(b => b.Address).ThenBy(b => b.Port)];
        var backends = new Backend[specs.Length];
        for (int i = 0; i < backends.Length; i++)
        {
            BackendSpec spec = specs[i];
            backends[i] = new Backend(TakeBackend(new BackendKey(spec.Address, spec.Port, service.Protocol)), spec.Address, spec.Port);
        }

        var frontends = new List<Frontend>();
        foreach (FrontendSpec spec in service.Frontends)
        {
            foreach (IpAddress address in AddressesOf(spec))
            {
                var key = new FrontendKey(address, spec.Port, service.Protocol);
                if (!freed.Remove(key, out uint id))
                {
                    id = NewId();
                    sameFrontends = false;
                }

                _idOf.Add(key, id);
                frontends.Add(new Frontend(id, address, spec.Port, service.Protocol, spec.Type, [.. backends.Where(b => b.Address.IsIpv4 == address.IsIpv4)], ActiveCount(specs, address.IsIpv4)));
            }
        }

        return [.. frontends];
    }

    private static int ActiveCount(BackendSpec[] specs, bool isIpv4) =>
        specs.Count(b => b.State == BackendState.Active && b.Address.IsIpv4 == isIpv4);

    private IEnumerable<IpAddress> AddressesOf(FrontendSpec spec) => spec.Address is { } address ? [address] : local.Addresses.Select(a => a.Address);

    private uint NewId()
    {
        if (!_freeSlots.TryPop(out int slot))
        {
            slot = _generations.Count;
            _generations.Add(0);
        }

        return (_generations[slot] << ServiceTable.SlotBits) | (uint)slot;
    }

    private uint TakeBackend(BackendKey key)
    {
        (uint Id, int Uses) known = _backends.TryGetValue(key, out (uint Id, int Uses) found) ? found : (++_lastBackendId, 0);
        _backends[key] = (known.Id, known.Uses + 1);
        return known.Id;
    }

    private void Release(ServiceSpec service)
    {
        foreach (BackendSpec spec in service.Backends)
        {
            var key = new BackendKey(spec.Address, spec.Port, service.Protocol);
            (uint id, int uses) = _backends[key];
            if (uses == 1)
            {
                _backends.Remove(key);
            }
            else
            {
                _backends[key] = (id, uses - 1);
            }
        }
    }

    private readonly record struct FrontendKey(IpAddress Address, ushort Port, IpProtocol Protocol);

    private readonly record struct BackendKey(IpAddress Address, ushort Port, IpProtocol Protocol);
}
