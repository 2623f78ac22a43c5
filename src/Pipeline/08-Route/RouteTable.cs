using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Prefixes and what they lead to. Immutable; many prefixes share a target.</summary>
public sealed class RouteTable(PrefixMap prefixes, RouteTarget[] targets)
{
    /// <summary>Version of the prefixes, by which their writer knows which of its memory is still read.</summary>
    public long Version => prefixes.Version;

    /// <summary>The target of a number that <see cref="TryLookup"/> gave.</summary>
    public RouteTarget this[int number] => targets[number];

    /// <param name="number">Of the target, in this table.</param>
    public bool TryLookup(IpAddress destination, out RouteTarget target, out int number)
    {
        bool isFound = prefixes.TryLookup(destination, out number);
        target = isFound ? targets[number] : default;
        return isFound;
    }
}
