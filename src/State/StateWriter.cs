using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Compile;
using ClusterMesh.Datapath.State.Compile.Policy;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State;

/// <summary>
/// The one writer of the configuration: takes changes, refuses contradictions whole, compiles what holds into a <see cref="Snapshot"/>
/// and publishes it. Two steps, so that devices can be opened between them: <see cref="Plan"/> changes nothing, <see cref="Commit"/>
/// cannot fail. Callers take turns (the forwarder's control lock); any thread may read <see cref="Current"/>.
/// </summary>
public sealed class StateWriter
{
    /// <summary>Port ids that every node has.</summary>
    public const int HostPort = 0;

    public const int UplinkPort = 1;

    /// <summary>Names of these ports.</summary>
    public const string HostName = "host";

    public const string UplinkName = "uplink";

    private const int FirstEndpointPort = 2;

    private readonly RouteCompiler _routes = new();
    private readonly ServiceCompiler _services;
    private readonly IpcacheCompiler _ipcache;
    private readonly TunnelCompiler? _tunnels;
    private readonly PolicyCompiler _policies;
    private readonly LocalNodeSpec _local;
    private readonly PrefixMap _nativeRouting;
    private readonly IcmpRules _icmp;
    private MasqueradeRules _masquerade;
    private TunnelTable? _tunnelTable;
    private PolicyTable _policyTable = PolicyTable.Empty;
    private Snapshot _current;

    /// <param name="numbers">What frontends and backends were called in the flow tables that are taken up; null for none.</param>
    public StateWriter(LocalNodeSpec local, ulong seed, ServiceNumbers? numbers = null)
    {
        _local = local;
        _services = new ServiceCompiler(local, seed, numbers);
        _ipcache = new IpcacheCompiler(local);
        _tunnels = local.Tunnel is { } tunnel ? new TunnelCompiler(local, tunnel) : null;
        _policies = new PolicyCompiler(local, _ipcache.IsDualStack);
        _nativeRouting = MapOf(local.NativeRoutingCidrs);
        _icmp = CompileIcmp(local);
        _routes.AddLocal(local);
        Desired = DesiredState.For(local);
        Ports = LocalPorts(local).ToDictionary(p => p.Name);
        _masquerade = CompileMasquerade();
        _tunnelTable = _tunnels?.Compile([], _routes.Publish());
        _current = Compile(1, _services.Update(new KindDifference<ServiceSpec>()));
    }

    /// <summary>Counts up with every change that was one.</summary>
    public long Version => _current.Version;

    public DesiredState Desired { get; private set; }

    /// <summary>Ports by name: host, uplink and the endpoints'.</summary>
    public IReadOnlyDictionary<string, Port> Ports { get; private set; }

    public int RouteCount => _routes.Count;

    public int IpcacheCount => _ipcache.Count;

    public int BackendCount => _services.BackendCount;

    public int FrontendCount => _services.FrontendCount;

    /// <summary>What frontends and backends are called in flow tables now.</summary>
    public ServiceNumbers ServiceNumbers => _services.Numbers;

    /// <summary>The number that a backend has while a service has it; 0 when none does.</summary>
    public uint BackendIdOf(BackendSpec backend, IpProtocol protocol) => _services.BackendIdOf(backend, protocol);

    /// <summary>What the workers run with now.</summary>
    public Snapshot Current => Volatile.Read(ref _current);

    /// <exception cref="ConfigurationException">The change contradicts itself or what is there.</exception>
    public StatePlan Plan(DesiredChange change)
    {
        DesiredState next = Desired.With(change, out DesiredDifference difference);
        return Plan(next, difference);
    }

    /// <exception cref="KeyNotFoundException">A name is not there.</exception>
    /// <exception cref="ConfigurationException">What is left contradicts itself.</exception>
    public StatePlan PlanDelete(ObjectKind kind, IReadOnlyList<string> names)
    {
        DesiredState next = Desired.Without(kind, names, out DesiredDifference difference);
        return Plan(next, difference);
    }

    /// <summary>Makes a plan the configuration. The plan must have been made from what is the configuration now.</summary>
    public Snapshot Commit(StatePlan plan)
    {
        if (!ReferenceEquals(plan.Previous, Desired))
        {
            throw new InvalidOperationException("the plan was made from an older configuration");
        }

        if (plan.ChangedCount == 0)
        {
            return _current;
        }

        _routes.Update(plan.Difference, _local.HasNodeRoutes, plan.Ports, _tunnels);
        ServiceTable services = _services.Update(plan.Difference.Services);
        _policyTable = _policies.Update(plan.Difference, plan.Next, plan.Ports, _ipcache.SetCidr);
        _ipcache.Update(plan.Difference, plan.Next.Ipcache, plan.Ports);
        Desired = plan.Next;
        Ports = plan.Ports;
        if (plan.Difference.IsMasqueradeChanged || !plan.Difference.Nodes.IsEmpty)
        {
            _masquerade = CompileMasquerade();
        }

        if (_tunnels is not null && !(plan.Difference.Nodes.IsEmpty && plan.Difference.Routes.IsEmpty))
        {
            _tunnelTable = _tunnels.Compile(Desired.Nodes.Values, _routes.Publish());
        }

        Snapshot next = Compile(_current.Version + 1, services);
        Volatile.Write(ref _current, next);
        return next;
    }

    /// <summary>Lets tables use memory again that belonged to snapshots before this one, once no worker reads those.</summary>
    public void Reclaim(Snapshot oldestInUse)
    {
        _routes.Reclaim(oldestInUse.Routes.Version);
        _ipcache.Reclaim(oldestInUse.Ipcache.Version);
    }

    public IEnumerable<(IpPrefix Prefix, RouteTarget Target)> Routes() => _routes.Enumerate();

    /// <summary>Who is behind which prefix, as packets find it.</summary>
    public IEnumerable<(IpPrefix Prefix, IpcacheTarget Target)> Ipcache() => _ipcache.Enumerate();

    /// <summary>All identities that are known with their labels: reserved, clusters' and this node's own.</summary>
    public IEnumerable<(uint Id, IReadOnlyList<string> Labels)> Identities() =>
        NumericIdentity.Named.Select(id => (id, LabelsOf(id))).Concat(Desired.Identities.Values.Select(i => (i.Id, i.Labels)))
            .Concat(_policies.CidrNumbers.Select(id => (id, LabelsOf(id))));

    /// <summary>The labels of an identity; empty when they are not known.</summary>
    public IReadOnlyList<string> LabelsOf(uint identity) =>
        NumericIdentity.NameOf(identity) is { } name ? [$"reserved:{name}"] : Desired.Identities.TryGetValue(identity, out IdentitySpec? known) ? known.Labels : _policies.LabelsOfCidr(identity);

    /// <summary>What the policies of the endpoint behind a port say about a peer; null when it has none.</summary>
    /// <param name="port">The destination port; of ICMP the type.</param>
    public PolicySide? Explain(int endpoint, bool isIngress, uint peer, IpProtocol protocol, ushort port) => _policies.Explain(endpoint, isIngress, peer, protocol, port);

    /// <summary>Ports of the endpoints that a policy selects.</summary>
    public IEnumerable<int> PortsOf(PolicySpec policy) => _policies.PortsOf(policy);

    /// <summary>The Maglev table that a frontend's candidates have at a size, whether or not it is in use.</summary>
    /// <param name="tableSize">One of <see cref="LoadBalancerSpec.MaglevTableSizes"/>.</param>
    public MaglevTable MaglevOf(ServiceSpec service, Frontend frontend, int tableSize) => _services.MaglevOf(service, frontend, tableSize);

    public IReadOnlyList<Frontend> FrontendsOf(string service) => _services.FrontendsOf(service);

    private static IEnumerable<Port> LocalPorts(LocalNodeSpec local)
    {
        IpAddress[] addresses = [.. local.Addresses.Select(a => a.Address)];
        if (local.Host is not null)
        {
            yield return new Port(HostPort, HostName, PortKind.Host, local.RouterMac, local.Host.Mac, [.. addresses, .. local.RouterAddresses], local.Mtu);
        }

        if (local.Uplink is not null)
        {
            yield return new Port(UplinkPort, UplinkName, PortKind.Uplink, local.Uplink.Mac, default, addresses, local.Mtu) { ProxiesNeighbors = local.Uplink.ProxiesNeighbors };
        }
    }

    private static PrefixMap MapOf(IEnumerable<IpPrefix> prefixes)
    {
        var table = new PrefixTable();
        foreach (IpPrefix prefix in prefixes)
        {
            table.Set(prefix, 0);
        }

        return table.Publish();
    }

    private StatePlan Plan(DesiredState next, DesiredDifference difference)
    {
        DesiredRules.Check(next, difference, _services);
        return new StatePlan(Desired, next, difference, difference.Endpoints.IsEmpty ? Ports : AssignPorts(difference.Endpoints));
    }

    private Dictionary<string, Port> AssignPorts(KindDifference<EndpointSpec> endpoints)
    {
        var ports = new Dictionary<string, Port>(Ports);
        foreach (EndpointSpec endpoint in endpoints.Gone)
        {
            ports.Remove(endpoint.Name);
        }

        // Numbers of ports that go in this very change are not given away in it: their frames may still be under way.
        var taken = Ports.Values.Select(p => p.Id).ToHashSet();
        int id = FirstEndpointPort;
        foreach (EndpointSpec endpoint in endpoints.Come.OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            while (!taken.Add(id))
            {
                id++;
            }

            if (id >= Port.MaxCount)
            {
                throw new ConfigurationException($"{endpoint.Source}: endpoint {endpoint.Name}: all {Port.MaxCount} ports are in use; delete endpoints first, then add");
            }

            ports[endpoint.Name] = new Port(id, endpoint.Name, PortKind.Endpoint, _local.RouterMac, endpoint.Mac, [.. endpoint.Addresses], _local.Mtu);
        }

        return ports;
    }

    private Snapshot Compile(long version, ServiceTable services)
    {
        int length = Ports.Count == 0 ? 2 : Math.Max(2, Ports.Values.Max(p => p.Id) + 1);
        var ports = new Port[length];
        foreach (Port port in Ports.Values)
        {
            ports[port.Id] = port;
        }

        return new Snapshot(version, ports, _local.Uplink is null ? -1 : UplinkPort, _routes.Publish(), services, _masquerade, _ipcache.Publish()) { Icmp = _icmp, Tunnels = _tunnelTable, Policies = _policyTable };
    }

    private static IcmpRules CompileIcmp(LocalNodeSpec local) => new(
        local.Flows.RefusesNoBackend,
        local.RouterAddresses.FirstOrDefault(a => a.IsIpv4),
        local.RouterAddresses.FirstOrDefault(a => !a.IsIpv4),
        local.Addresses.FirstOrDefault(a => a.Address.IsIpv4).Address,
        local.Addresses.FirstOrDefault(a => !a.Address.IsIpv4).Address)
    {
        RefusesDenied = local.Policy.RefusesDenied,
    };

    private MasqueradeRules CompileMasquerade() => new(
        Desired.Masquerade.Enabled,
        _local.Addresses.FirstOrDefault(a => a.Address.IsIpv4).Address,
        _local.Addresses.FirstOrDefault(a => !a.Address.IsIpv4).Address,
        _nativeRouting,
        MapOf(Desired.Masquerade.NonMasqueradeCidrs),
        MapOf(Desired.Nodes.Values.SelectMany(n => n.Addresses).Select(IpPrefix.Host)),
        (ushort)(_local.NodePortLast + 1),
        ushort.MaxValue)
    {
        // Nodes take packets of other nodes' pods by tunnels only (bpf/lib/nat.h snat_v4_needs_masquerade).
        IncludesRemoteNodes = _local.Flows.MasqueradesRemoteNodes || _local.Tunnel is not null,
        IsIpv6Enabled = Desired.Masquerade.Enabled && _local.Flows.MasqueradesIpv6,
        HasTunnels = _local.Tunnel is not null,
        TunnelIpv4 = _local.RouterAddresses.FirstOrDefault(a => a.IsIpv4),
        TunnelIpv6 = _local.RouterAddresses.FirstOrDefault(a => !a.IsIpv4),
    };
}
