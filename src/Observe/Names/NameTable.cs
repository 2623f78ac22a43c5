using System.Collections.Immutable;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Names;

/// <summary>
/// The names behind addresses, ports, identities and interfaces: what the agent knows from ipcache, services and identities. Immutable; a
/// change makes a new table that shares what stayed, so each flow event can keep the one of its time and shows a pod's name after the pod
/// has gone.
/// </summary>
public sealed class NameTable
{
    private readonly ImmutableDictionary<IpPrefix, EndpointName> _endpoints;
    private readonly ImmutableDictionary<ServiceAddress, ServiceName> _services;
    private readonly ImmutableDictionary<uint, IReadOnlyList<string>> _identities;
    private readonly ImmutableDictionary<uint, string> _interfaces;

    // Lengths of the prefixes that there are, longest first, and how many have each.
    private readonly ImmutableSortedDictionary<int, int> _lengthCounts;
    private readonly int[] _lengths;

    private NameTable(
        ImmutableDictionary<IpPrefix, EndpointName> endpoints,
        ImmutableSortedDictionary<int, int> lengthCounts,
        ImmutableDictionary<ServiceAddress, ServiceName> services,
        ImmutableDictionary<uint, IReadOnlyList<string>> identities,
        ImmutableDictionary<uint, string> interfaces)
    {
        _endpoints = endpoints;
        _lengthCounts = lengthCounts;
        _lengths = [.. lengthCounts.Keys.Reverse()];
        _services = services;
        _identities = identities;
        _interfaces = interfaces;
    }

    public static NameTable Empty { get; } = new(
        ImmutableDictionary<IpPrefix, EndpointName>.Empty,
        ImmutableSortedDictionary<int, int>.Empty,
        ImmutableDictionary<ServiceAddress, ServiceName>.Empty,
        ImmutableDictionary<uint, IReadOnlyList<string>>.Empty,
        ImmutableDictionary<uint, string>.Empty);

    /// <summary>Sets rows of the ipcache; null takes one away.</summary>
    public NameTable WithEndpoints(IEnumerable<KeyValuePair<IpPrefix, EndpointName?>> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        ImmutableDictionary<IpPrefix, EndpointName>.Builder endpoints = _endpoints.ToBuilder();
        ImmutableSortedDictionary<int, int>.Builder counts = _lengthCounts.ToBuilder();
        foreach ((IpPrefix prefix, EndpointName? name) in changes)
        {
            int change = (name is null ? 0 : 1) - (endpoints.ContainsKey(prefix) ? 1 : 0);
            if (name is null)
            {
                endpoints.Remove(prefix);
            }
            else
            {
                endpoints[prefix] = name;
            }

            int count = counts.GetValueOrDefault(prefix.Length) + change;
            if (count == 0)
            {
                counts.Remove(prefix.Length);
            }
            else
            {
                counts[prefix.Length] = count;
            }
        }

        return new(endpoints.ToImmutable(), counts.ToImmutable(), _services, _identities, _interfaces);
    }

    public NameTable WithEndpoint(IpPrefix prefix, EndpointName? name) => WithEndpoints([KeyValuePair.Create(prefix, name)]);

    /// <summary>Sets frontends; null takes one away.</summary>
    public NameTable WithServices(IEnumerable<KeyValuePair<ServiceAddress, ServiceName?>> changes) =>
        new(_endpoints, _lengthCounts, Changed(_services, changes), _identities, _interfaces);

    /// <summary>Sets the labels of identities; null takes one away.</summary>
    public NameTable WithIdentities(IEnumerable<KeyValuePair<uint, IReadOnlyList<string>?>> changes) =>
        new(_endpoints, _lengthCounts, _services, Changed(_identities, changes), _interfaces);

    /// <summary>Sets the names of ports by their index; null takes one away.</summary>
    public NameTable WithInterfaces(IEnumerable<KeyValuePair<uint, string?>> changes) =>
        new(_endpoints, _lengthCounts, _services, _identities, Changed(_interfaces, changes));

    /// <summary>By the longest prefix that contains the address.</summary>
    public EndpointName? FindEndpoint(IpAddress address)
    {
        bool ipv4 = address.IsIpv4;
        foreach (int length in _lengths)
        {
            if (ipv4 && length < IpPrefix.Ipv4Offset)
            {
                return null;
            }

            IpPrefix prefix = length == IpPrefix.MaxLength ? IpPrefix.Host(address) : IpPrefix.Containing(address, ipv4 ? length - IpPrefix.Ipv4Offset : length);
            if (_endpoints.TryGetValue(prefix, out EndpointName? name))
            {
                return name;
            }
        }

        return null;
    }

    public ServiceName? FindService(IpAddress address, ushort port, IpProtocol protocol) => _services.GetValueOrDefault(new(address, port, protocol));

    /// <summary>Those of reserved identities are known without being set.</summary>
    public IReadOnlyList<string>? FindLabels(uint identity) =>
        _identities.GetValueOrDefault(identity) ?? (ReservedIdentity.LabelsOf(identity) is { Count: > 0 } reserved ? reserved : null);

    /// <summary>Empty when the port has no name.</summary>
    public string NameOfInterface(uint index) => _interfaces.GetValueOrDefault(index) ?? "";

    private static ImmutableDictionary<TKey, TValue> Changed<TKey, TValue>(ImmutableDictionary<TKey, TValue> rows, IEnumerable<KeyValuePair<TKey, TValue?>> changes)
        where TKey : notnull
        where TValue : class
    {
        ImmutableDictionary<TKey, TValue>.Builder builder = rows.ToBuilder();
        foreach ((TKey key, TValue? value) in changes)
        {
            if (value is null)
            {
                builder.Remove(key);
            }
            else
            {
                builder[key] = value;
            }
        }

        return builder.ToImmutable();
    }
}
