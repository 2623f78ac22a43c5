using System.Collections.Immutable;
using System.Globalization;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>All that is wanted of this node at one moment. Immutable; a change makes another one, which is checked before it counts.</summary>
public sealed record DesiredState(
    LocalNodeSpec Local,
    MasqueradeSpec Masquerade,
    ImmutableDictionary<string, EndpointSpec> Endpoints,
    ImmutableDictionary<string, NodeSpec> Nodes,
    ImmutableDictionary<IpPrefix, RouteSpec> Routes,
    ImmutableDictionary<string, ServiceSpec> Services)
{
    public static DesiredState For(LocalNodeSpec local) => new(
        local,
        new MasqueradeSpec(false, []),
        ImmutableDictionary<string, EndpointSpec>.Empty,
        ImmutableDictionary<string, NodeSpec>.Empty,
        ImmutableDictionary<IpPrefix, RouteSpec>.Empty,
        ImmutableDictionary<string, ServiceSpec>.Empty);

    /// <summary>Who is behind which prefix, beside what follows from endpoints and nodes.</summary>
    public ImmutableDictionary<IpPrefix, IpcacheSpec> Ipcache { get; init; } = ImmutableDictionary<IpPrefix, IpcacheSpec>.Empty;

    public ImmutableDictionary<uint, IdentitySpec> Identities { get; init; } = ImmutableDictionary<uint, IdentitySpec>.Empty;

    public ImmutableDictionary<string, PolicySpec> Policies { get; init; } = ImmutableDictionary<string, PolicySpec>.Empty;

    /// <summary>Name of a node among those of all clusters.</summary>
    public static string NodeKey(string cluster, string name) => $"{cluster}/{name}";

    /// <exception cref="ArgumentException">A list of the change names an object twice.</exception>
    public DesiredState With(DesiredChange change, out DesiredDifference difference)
    {
        bool masquerades = change.Masquerade is not null && !SpecEquality.Same(change.Masquerade, Masquerade);
        DesiredState next = this with
        {
            Masquerade = masquerades ? change.Masquerade! : Masquerade,
            Endpoints = Merge(Endpoints, change.Endpoints, e => e.Name, SpecEquality.Same, change.Replace, out KindDifference<EndpointSpec> endpoints),
            Nodes = Merge(Nodes, change.Nodes, n => NodeKey(n.Cluster, n.Name), SpecEquality.Same, change.Replace, out KindDifference<NodeSpec> nodes),
            Routes = Merge(Routes, change.Routes, r => r.Prefix, SpecEquality.Same, change.Replace, out KindDifference<RouteSpec> routes),
            Services = Merge(Services, change.Services, s => s.Name, SpecEquality.Same, change.Replace, out KindDifference<ServiceSpec> services),
            Ipcache = Merge(Ipcache, change.Ipcache, i => i.Prefix, SpecEquality.Same, change.Replace, out KindDifference<IpcacheSpec> ipcache),
            Identities = Merge(Identities, change.Identities, i => i.Id, SpecEquality.Same, change.Replace, out KindDifference<IdentitySpec> identities),
            Policies = Merge(Policies, change.Policies, p => p.Name, SpecEquality.Same, change.Replace, out KindDifference<PolicySpec> policies),
        };
        difference = new DesiredDifference
        {
            IsMasqueradeChanged = masquerades,
            Endpoints = endpoints,
            Nodes = nodes,
            Routes = routes,
            Services = services,
            Ipcache = ipcache,
            Identities = identities,
            Policies = policies,
        };
        return next;
    }

    /// <exception cref="KeyNotFoundException">One of the names is not there; its message says which.</exception>
    public DesiredState Without(ObjectKind kind, IReadOnlyList<string> names, out DesiredDifference difference)
    {
        DesiredState next;
        switch (kind)
        {
            case ObjectKind.Endpoint:
                next = this with { Endpoints = Remove(Endpoints, names, kind, n => n, out KindDifference<EndpointSpec> endpoints) };
                difference = new DesiredDifference { Endpoints = endpoints };
                return next;
            case ObjectKind.Node:
                next = this with { Nodes = Remove(Nodes, names, kind, n => n, out KindDifference<NodeSpec> nodes) };
                difference = new DesiredDifference { Nodes = nodes };
                return next;
            case ObjectKind.Route:
                next = this with { Routes = Remove(Routes, names, kind, n => PrefixOf(n), out KindDifference<RouteSpec> routes) };
                difference = new DesiredDifference { Routes = routes };
                return next;
            case ObjectKind.Service:
                next = this with { Services = Remove(Services, names, kind, n => n, out KindDifference<ServiceSpec> services) };
                difference = new DesiredDifference { Services = services };
                return next;
            case ObjectKind.Ipcache:
                next = this with { Ipcache = Remove(Ipcache, names, kind, n => PrefixOf(n), out KindDifference<IpcacheSpec> ipcache) };
                difference = new DesiredDifference { Ipcache = ipcache };
                return next;
            case ObjectKind.Identity:
                next = this with { Identities = Remove(Identities, names, kind, n => NumberOf(n), out KindDifference<IdentitySpec> identities) };
                difference = new DesiredDifference { Identities = identities };
                return next;
            case ObjectKind.Policy:
                next = this with { Policies = Remove(Policies, names, kind, n => n, out KindDifference<PolicySpec> policies) };
                difference = new DesiredDifference { Policies = policies };
                return next;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind));
        }
    }

    /// <summary>Null for what is no number.</summary>
    private static uint? NumberOf(string name) => uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : null;

    /// <summary>Null for what is no prefix: no route has that name.</summary>
    private static IpPrefix? PrefixOf(string name) => IpPrefix.TryParse(name, out IpPrefix prefix) ? prefix : null;

    private static ImmutableDictionary<TKey, TSpec> Merge<TKey, TSpec>(
        ImmutableDictionary<TKey, TSpec> current, IReadOnlyList<TSpec>? specs, Func<TSpec, TKey> keyOf, Func<TSpec, TSpec, bool> same, bool replace,
        out KindDifference<TSpec> difference)
        where TKey : notnull
        where TSpec : class
    {
        difference = new();
        if (specs is null)
        {
            return current;
        }

        ImmutableDictionary<TKey, TSpec>.Builder next = current.ToBuilder();
        var wanted = new HashSet<TKey>(specs.Count);
        List<TSpec> gone = [];
        List<TSpec> come = [];
        foreach (TSpec spec in specs)
        {
            TKey key = keyOf(spec);
            if (!wanted.Add(key))
            {
                throw new ArgumentException($"'{key}' is given twice", nameof(specs));
            }

            bool isPresent = current.TryGetValue(key, out TSpec? old);
            if (isPresent && same(old!, spec))
            {
                continue;
            }

            next[key] = spec;
            come.Add(spec);
            if (isPresent)
            {
                gone.Add(old!);
            }
        }

        int changedCount = come.Count;
        if (replace)
        {
            foreach ((TKey key, TSpec old) in current)
            {
                if (!wanted.Contains(key))
                {
                    next.Remove(key);
                    gone.Add(old);
                    changedCount++;
                }
            }
        }

        difference = new KindDifference<TSpec>(gone, come, changedCount);
        return next.ToImmutable();
    }

    private static ImmutableDictionary<TKey, TSpec> Remove<TKey, TSpec>(
        ImmutableDictionary<TKey, TSpec> current, IReadOnlyList<string> names, ObjectKind kind, Func<string, object?> keyOf, out KindDifference<TSpec> difference)
        where TKey : notnull
        where TSpec : class
    {
        ImmutableDictionary<TKey, TSpec>.Builder next = current.ToBuilder();
        List<TSpec> gone = [];
        foreach (string name in names)
        {
            if (keyOf(name) is not TKey key || !next.TryGetValue(key, out TSpec? old))
            {
                throw new KeyNotFoundException($"there is no {Noun(kind)} '{name}'{Hint(kind, name)}; nothing was deleted");
            }

            next.Remove(key);
            gone.Add(old);
        }

        difference = new KindDifference<TSpec>(gone, [], gone.Count);
        return next.ToImmutable();
    }

    private static string Noun(ObjectKind kind) => kind == ObjectKind.Route ? "route of your own" : kind == ObjectKind.Ipcache ? "ipcache entry" : kind.ToString().ToLowerInvariant();

    private static string Hint(ObjectKind kind, string name) => kind switch
    {
        ObjectKind.Node when !name.Contains('/', StringComparison.Ordinal) => " (a node is named by its cluster, too: west/west-worker)",
        ObjectKind.Route => " (routes of endpoints, nodes and gateways go with them)",
        _ => "",
    };
}
