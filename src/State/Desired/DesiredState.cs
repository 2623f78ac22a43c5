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

    /// <param name="delta">What is different: all that costs is done on this, not on the whole state.</param>
    public DesiredState With(DesiredChange change, out DesiredDelta delta)
    {
        delta = new DesiredDelta();
        DesiredState next = this;
        if (change.Masquerade is not null && !SpecEquality.Same(change.Masquerade, Masquerade))
        {
            delta.MasqueradeChanged = true;
            next = next with { Masquerade = change.Masquerade };
        }

        return next with
        {
            Endpoints = Merge(Endpoints, change.Endpoints, e => e.Name, SpecEquality.Same, change.Replace, delta.Endpoints),
            Nodes = Merge(Nodes, change.Nodes, n => NodeKey(n.Cluster, n.Name), SpecEquality.Same, change.Replace, delta.Nodes),
            Routes = Merge(Routes, change.Routes, r => r.Prefix, SpecEquality.Same, change.Replace, delta.Routes),
            Services = Merge(Services, change.Services, s => s.Name, SpecEquality.Same, change.Replace, delta.Services),
        };
    }

    /// <exception cref="KeyNotFoundException">One of the names is not there; its message says which.</exception>
    public DesiredState Without(ObjectKind kind, IReadOnlyList<string> names, out DesiredDelta delta)
    {
        delta = new DesiredDelta();
        return kind switch
        {
            ObjectKind.Endpoint => this with { Endpoints = Remove(Endpoints, names, kind, n => n, delta.Endpoints) },
            ObjectKind.Node => this with { Nodes = Remove(Nodes, names, kind, n => n, delta.Nodes) },
            ObjectKind.Route => this with { Routes = Remove(Routes, names, kind, n => IpPrefix.TryParse(n, out IpPrefix prefix) ? prefix : default, delta.Routes) },
            ObjectKind.Service => this with { Services = Remove(Services, names, kind, n => n, delta.Services) },
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    private static ImmutableDictionary<TKey, TSpec> Merge<TKey, TSpec>(
        ImmutableDictionary<TKey, TSpec> current, IReadOnlyList<TSpec>? specs, Func<TSpec, TKey> keyOf, Func<TSpec, TSpec, bool> same, bool replace, SpecDelta<TSpec> delta)
        where TKey : notnull
    {
        if (specs is null)
        {
            return current;
        }

        ImmutableDictionary<TKey, TSpec>.Builder next = current.ToBuilder();
        foreach (TSpec spec in specs)
        {
            TKey key = keyOf(spec);
            bool isKnown = next.TryGetValue(key, out TSpec? old);
            if (isKnown && same(old!, spec))
            {
                continue;
            }

            if (isKnown)
            {
                delta.Removed.Add(old!);
            }

            delta.Added.Add(spec);
            next[key] = spec;
        }

        if (replace)
        {
            HashSet<TKey> wanted = [.. specs.Select(keyOf)];
            foreach (TKey key in current.Keys.Where(k => !wanted.Contains(k)))
            {
                delta.Removed.Add(current[key]);
                next.Remove(key);
            }
        }

        return next.ToImmutable();
    }

    private static ImmutableDictionary<TKey, TSpec> Remove<TKey, TSpec>(
        ImmutableDictionary<TKey, TSpec> current, IReadOnlyList<string> names, ObjectKind kind, Func<string, TKey> keyOf, SpecDelta<TSpec> delta)
        where TKey : notnull
    {
        ImmutableDictionary<TKey, TSpec>.Builder next = current.ToBuilder();
        foreach (string name in names)
        {
            if (!next.TryGetValue(keyOf(name), out TSpec? spec))
            {
                throw new KeyNotFoundException($"there is no {kind.ToString().ToLowerInvariant()} '{name}'; nothing was deleted");
            }

            next.Remove(keyOf(name));
            delta.Removed.Add(spec);
        }

        return next.ToImmutable();
    }
}
