using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Prefixes and what they lead to. Immutable; many prefixes share a target.</summary>
public sealed class RouteTable(PrefixMap prefixes, RouteTarget[] targets)
{
    /// <summary>Version of the prefixes, by which their writer knows which of its memory is still read.</summary>
    public long Version => prefixes.Version;

    public bool TryLookup(IpAddress destination, out RouteTarget target)
    {
        if (prefixes.TryLookup(destination, out int value))
        {
            target = targets[value];
            return true;
        }

        target = default;
        return false;
    }
}
