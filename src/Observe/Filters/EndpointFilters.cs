using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Wire;
using Predicate = System.Func<ClusterMesh.Datapath.Observe.Store.ObservedFlow, bool>;

namespace ClusterMesh.Datapath.Observe.Filters;

/// <summary>The fields of a filter that ask about one end of a flow. Each takes the end as a function, so that source and destination are one code.</summary>
internal static class EndpointFilters
{
    public static Predicate Addresses(IEnumerable<string> values, string field, Func<ObservedFlow, IpAddress> end)
    {
        IpPrefix[] prefixes = [.. values.Select(value => IpPrefix.TryParseInterface(value, out _, out IpPrefix prefix)
            ? prefix
            : throw new FilterException($"{field} '{value}' is neither an IP address nor a CIDR"))];
        return flow => end(flow) is var address && address != default && Matching.Any(prefixes, address, static (prefix, a) => prefix.Contains(a));
    }

    /// <summary>[namespace/][prefix of the name]; a name alone is in namespace default, and an empty namespace before the slash is any.</summary>
    public static Predicate Names(IEnumerable<string> values, string field, Func<ObservedFlow, (string? Namespace, string? Name)> end)
    {
        (string Namespace, string Prefix)[] wanted = [.. values.Select(value => ParseName(value, field))];
        return flow =>
        {
            (string? ns, string? name) = end(flow);
            return !(string.IsNullOrEmpty(ns) && string.IsNullOrEmpty(name))
                && Matching.Any(wanted, (Namespace: ns, Name: name ?? ""), static (w, has) =>
                    (w.Namespace.Length == 0 || w.Namespace == has.Namespace) && has.Name.StartsWith(w.Prefix, StringComparison.Ordinal));
        };
    }

    public static Predicate HostNames(IEnumerable<string> values, string field, Func<ObservedFlow, EndpointName?> end)
    {
        Func<string, bool>[] patterns = [.. values.Select(value => NamePattern.OfHost(value, field))];
        return flow => end(flow) is { } name
            && Matching.Any(name.HostNames, patterns, static (host, all) => Matching.Any(all, host, static (pattern, h) => pattern(h)));
    }

    public static Predicate Labels(IEnumerable<string> values, Func<ObservedFlow, IReadOnlyList<string>> end)
    {
        LabelSelector[] selectors = [.. values.Select(LabelSelector.Parse)];
        return flow => Matching.Any(selectors, end(flow), static (selector, labels) => selector.Matches(labels));
    }

    public static Predicate Workloads(IEnumerable<Workload> values, Func<ObservedFlow, EndpointName?> end)
    {
        Workload[] wanted = [.. values];
        return flow => end(flow) is { } name
            && Matching.Any(name.Workloads, wanted, static (has, all) => Matching.Any(
                all, has, static (w, h) => (w.Name.Length == 0 || w.Name == h.Name) && (w.Kind.Length == 0 || w.Kind == h.Kind)));
    }

    public static Predicate Clusters(IEnumerable<string> values, string field, Func<ObservedFlow, EndpointName?> end)
    {
        HashSet<string> wanted = [.. values];
        return wanted.Contains("") ? throw new FilterException($"{field} has an empty name") : flow => wanted.Contains(end(flow)?.Cluster ?? "");
    }

    /// <summary>Ports and ranges of ports: 80, 8000-8999.</summary>
    public static Predicate Ports(IEnumerable<string> values, string field, Func<ObservedFlow, ushort> end)
    {
        (ushort First, ushort Last)[] ranges = [.. values.Select(value => ParsePorts(value, field))];
        return flow => flow.HasPorts && Matching.Any(ranges, end(flow), static (range, port) => port >= range.First && port <= range.Last);
    }

    private static (string Namespace, string Prefix) ParseName(string value, string field)
    {
        int slash = value.IndexOf('/', StringComparison.Ordinal);
        string ns = slash < 0 ? "default" : value[..slash];
        string prefix = value[(slash + 1)..];
        return value.Length == 0 || (ns.Length == 0 && prefix.Length == 0) || prefix.Contains('/', StringComparison.Ordinal)
            ? throw new FilterException($"{field} '{value}' must be [namespace/][name]")
            : (ns, prefix);
    }

    private static (ushort First, ushort Last) ParsePorts(string value, string field)
    {
        string[] ends = value.Split('-', 2);
        return ushort.TryParse(ends[0], out ushort first) && ushort.TryParse(ends[^1], out ushort last) && first <= last
            ? (first, last)
            : throw new FilterException($"{field} '{value}' is neither a port from 0 to 65535 nor a range of ports");
    }
}
