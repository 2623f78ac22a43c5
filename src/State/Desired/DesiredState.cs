using System.Collections.Immutable;
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

    /// <summary>Name of a node among those of all clusters.</summary>
    public static string NodeKey(string cluster, string name) => $"{cluster}/{name}";

    /// <param name="changed">Objects that were added, removed or are different now.</param>
    public DesiredState With(DesiredChange change, out int changed)
    {
        changed = 0;
        DesiredState next = this;
        if (change.Masquerade is not null && !SpecEquality.Same(change.Masquerade, Masquerade))
        {
            changed++;
            next = next with { Masquerade = change.Masquerade };
        }

        return next with
        {
            Endpoints = Merge(Endpoints, change.Endpoints, e => e.Name, SpecEquality.Same, change.Replace, ref changed),
            Nodes = Merge(Nodes, change.Nodes, n => NodeKey(n.Cluster, n.Name), SpecEquality.Same, change.Replace, ref changed),
            Routes = Merge(Routes, change.Routes, r => r.Prefix, SpecEquality.Same, change.Replace, ref changed),
            Services = Merge(Services, change.Services, s => s.Name, SpecEquality.Same, change.Replace, ref changed),
        };
    }

    /// <exception cref="KeyNotFoundException">One of the names is not there; its message says which.</exception>
    public DesiredState Without(ObjectKind kind, IReadOnlyList<string> names) => kind switch
    {
        ObjectKind.Endpoint => this with { Endpoints = Remove(Endpoints, names, kind, n => n) },
        ObjectKind.Node => this with { Nodes = Remove(Nodes, names, kind, n => n) },
        ObjectKind.Route => this with { Routes = Remove(Routes, names, kind, n => IpPrefix.TryParse(n, out IpPrefix prefix) ? prefix : default) },
        ObjectKind.Service => this with { Services = Remove(Services, names, kind, n => n) },
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static ImmutableDictionary<TKey, TSpec> Merge<TKey, TSpec>(
        ImmutableDictionary<TKey, TSpec> current, IReadOnlyList<TSpec>? specs, Func<TSpec, TKey> keyOf, Func<TSpec, TSpec, bool> same, bool replace, ref int changed)
        where TKey : notnull
    {
        if (specs is null)
        {
            return current;
        }

        ImmutableDictionary<TKey, TSpec>.Builder next = current.ToBuilder();
        var wanted = new HashSet<TKey>(specs.Count);
        foreach (TSpec spec in specs)
        {
            TKey key = keyOf(spec);
            wanted.Add(key);
            if (!current.TryGetValue(key, out TSpec? old) || !same(old, spec))
            {
                next[key] = spec;
                changed++;
            }
        }

        if (replace)
        {
            foreach (TKey key in current.Keys.Where(k => !wanted.Contains(k)))
            {
                next.Remove(key);
                changed++;
            }
        }

        return next.ToImmutable();
    }

    private static ImmutableDictionary<TKey, TSpec> Remove<TKey, TSpec>(
        ImmutableDictionary<TKey, TSpec> current, IReadOnlyList<string> names, ObjectKind kind, Func<string, TKey> keyOf)
        where TKey : notnull
    {
        ImmutableDictionary<TKey, TSpec>.Builder next = current.ToBuilder();
        foreach (string name in names)
        {
            if (!next.Remove(keyOf(name)))
            {
                throw new KeyNotFoundException($"there is no {kind.ToString().ToLowerInvariant()} '{name}'; nothing was deleted");
            }
        }

        return next.ToImmutable();
    }
}
