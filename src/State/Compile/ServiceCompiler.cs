using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Turns services into frontends, and keeps the table of frontends in step. Works by difference: a changed service costs what that service costs,
/// however many there are.
/// </summary>
internal sealed class ServiceCompiler
{
    private readonly FrontendIds _ids;
    private readonly BackendIds _backendIds;
    private readonly Dictionary<string, Frontend[]> _frontendsOf = [];
    private readonly Dictionary<IpAddress, int> _wildcards = [];
    private readonly LocalNodeSpec _local;
    private readonly MaglevTables _maglev;
    private readonly ServiceTableWriter _table;

    /// <param name="numbers">Of the process before this one; null for none.</param>
    public ServiceCompiler(LocalNodeSpec local, ulong seed, ServiceNumbers? numbers = null)
    {
        numbers ??= ServiceNumbers.None;
        _ids = new FrontendIds(numbers.Frontends);
        _backendIds = new BackendIds(numbers.Backends);
        _local = local;
        _maglev = new MaglevTables(local.LoadBalancer);
        _table = new ServiceTableWriter(ServiceOptions.Default with { LoopbackIpv4 = local.LoadBalancer.LoopbackIpv4, HasDirectReturn = local.LoadBalancer.Forwarding != ForwardingMode.Snat }, seed);
    }

    /// <summary>What frontends and backends are called in flow tables now.</summary>
    public ServiceNumbers Numbers => new(new Dictionary<FrontendKey, uint>(_ids.Given), new Dictionary<BackendKey, uint>(_backendIds.Given));

    public int BackendCount => _backendIds.Count;

    /// <summary>Inner sides included.</summary>
    public int FrontendCount => _ids.Count;

    /// <summary>Frontends of a service as last compiled, those with two sides by their outer one.</summary>
    public IReadOnlyList<Frontend> FrontendsOf(string service) => _frontendsOf.TryGetValue(service, out Frontend[]? frontends) ? frontends : [];

    public uint BackendIdOf(BackendSpec backend, IpProtocol protocol) => _backendIds.Of(backend, protocol);

    /// <summary>The service that has a frontend now; null for none.</summary>
    public string? OwnerOf(FrontendKey key) => _ids.OwnerOf(key);

    public MaglevTable MaglevOf(ServiceSpec service, Frontend frontend, int tableSize)
    {
        if (frontend.Set.Maglev is { } used && used.Size == tableSize)
        {
            return used;
        }

        Dictionary<(IpAddress, ushort), BackendSpec> specs = service.Backends.ToDictionary(b => (b.Address, b.Port));
        IEnumerable<Backend> candidates = Enumerable.Range(0, frontend.Set.CandidateCount).Select(frontend.Set.Candidate);
        return MaglevTables.Fill([.. candidates.Select(b => specs[(b.Address, b.Port)])], service.Protocol, tableSize, _local.LoadBalancer.MaglevSeed);
    }

    public ServiceTable Update(KindDifference<ServiceSpec> difference)
    {
        foreach (ServiceSpec service in difference.Gone)
        {
            foreach (Frontend frontend in _frontendsOf[service.Name])
            {
                _ids.Free(KeyOf(frontend, isInternal: false));
                _ids.Free(KeyOf(frontend, isInternal: true));
                CountWildcard(frontend, -1);
            }

            _frontendsOf.Remove(service.Name);
        }

        Reserve(difference.Come);

        // Backends are taken up before those that left are given back, so that one that stays keeps its id.
        foreach (ServiceSpec service in difference.Come)
        {
            Frontend[] frontends = Compile(service);
            _frontendsOf.Add(service.Name, frontends);
            foreach (Frontend frontend in frontends)
            {
                _table.Set(frontend);
                CountWildcard(frontend, 1);
            }

            _maglev.EndService(service.Name);
        }

        foreach (ServiceSpec service in difference.Gone)
        {
            foreach (BackendSpec backend in service.Backends)
            {
                _backendIds.Release(backend, service.Protocol);
            }

            if (!_frontendsOf.ContainsKey(service.Name))
            {
                _maglev.EndService(service.Name);
            }
        }

        foreach (FrontendKey key in _ids.Freed.Where(k => !k.IsInternal))
        {
            _table.Remove(key.Address, key.Port, key.Protocol);
        }

        _ids.EndChange();
        return _table.Publish();
    }

    private void Reserve(IReadOnlyList<ServiceSpec> come)
    {
        int backendCount = 0;
        foreach (ServiceSpec service in come)
        {
            backendCount += service.Backends.Count;
        }

        _backendIds.Reserve(backendCount);
        _ids.Reserve(come.Count);
        Room.For(_wildcards, come.Count);
        Room.For(_frontendsOf, come.Count);
    }

    private static FrontendKey KeyOf(Frontend frontend, bool isInternal) => new(frontend.Address, frontend.Port, frontend.Protocol, isInternal);

    private Frontend[] Compile(ServiceSpec service)
    {
        var sets = new BackendSetCompiler(service, _local, _backendIds, _maglev);
        List<Frontend> frontends = new(service.Frontends.Count);
        foreach ((FrontendSpec spec, IpAddress address) in service.InstalledOn(_local))
        {
            frontends.Add(Compile(service, spec, address, sets));
        }

        return [.. frontends];
    }

    private Frontend Compile(ServiceSpec service, FrontendSpec spec, IpAddress address, BackendSetCompiler sets)
    {
        bool hasTwoScopes = service.HasTwoScopes(spec.Type);
        bool isLocalOnly = service.IsLocalOnly(spec.Type, isInternal: false);
        bool isMaglev = UsesMaglev(service, spec.Type);
        var key = new FrontendKey(address, spec.Port, service.Protocol);
        var frontend = new Frontend(
            _ids.Take(key, service.Name), address, spec.Port, service.Protocol, spec.Type, sets.For(address.IsIpv4, isLocalOnly, isMaglev))
        {
            AffinitySeconds = service.AffinitySeconds,
            IsRoutable = spec.Type != ServiceType.ClusterIP || _local.LoadBalancer.IsClusterIpExternal,
            IsLocalOnly = isLocalOnly,
            Forwarding = service.Forwarding ?? _local.LoadBalancer.Forwarding,
            Sources = SourcesOf(service, spec.Type, address.IsIpv4),
        };
        if (!hasTwoScopes)
        {
            return frontend;
        }

        isLocalOnly = service.IsLocalOnly(spec.Type, isInternal: true);
        return frontend with
        {
            Internal = frontend with
            {
                Id = _ids.Take(key with { IsInternal = true }, service.Name),
                Set = sets.For(address.IsIpv4, isLocalOnly, isMaglev),
                IsInternal = true,
                IsLocalOnly = isLocalOnly,
            },
        };
    }

    /// <summary>The annotation says; else the node, whose ClusterIPs have tables only where the node network can ask for them.</summary>
    private bool UsesMaglev(ServiceSpec service, ServiceType type) => service.Algorithm is { } own
        ? own == LoadBalancingAlgorithm.Maglev
        : _local.LoadBalancer.Algorithm == LoadBalancingAlgorithm.Maglev && (type != ServiceType.ClusterIP || _local.LoadBalancer.IsClusterIpExternal);

    private SourceRanges? SourcesOf(ServiceSpec service, ServiceType type, bool isIpv4) =>
        service.SourceRanges.Count > 0 && (type == ServiceType.LoadBalancer || _local.LoadBalancer.HasSourceRangesOnAllTypes)
            ? new SourceRanges(service.SourceRanges.Where(p => p.IsIpv4 == isIpv4), service.DeniesSourceRanges)
            : null;

    /// <summary>An address of ClusterIP or LoadBalancer frontends has a wildcard as long as it has one of them.</summary>
    private void CountWildcard(Frontend frontend, int by)
    {
        if (frontend.Type is not (ServiceType.ClusterIP or ServiceType.LoadBalancer))
        {
            return;
        }

        int count = _wildcards.GetValueOrDefault(frontend.Address) + by;
        if (count == 0)
        {
            _wildcards.Remove(frontend.Address);
            _table.Remove(frontend.Address, 0, ServiceTable.AnyProtocol);
            return;
        }

        _wildcards[frontend.Address] = count;
        if (count == 1 && by == 1)
        {
            _table.Set(new Frontend(0, frontend.Address, 0, ServiceTable.AnyProtocol, frontend.Type, BackendSet.Empty));
        }
    }
}
