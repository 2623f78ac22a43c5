using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Who may, or may not, reach a frontend from the node network (loadBalancerSourceRanges). Immutable.</summary>
public sealed class SourceRanges
{
    private readonly IpAddress[] _first;
    private readonly IpAddress[] _last;
    private readonly bool _isDenied;

    /// <param name="isDenied">The prefixes are those that may not (service.cilium.io/src-ranges-policy: deny).</param>
    public SourceRanges(IEnumerable<IpPrefix> prefixes, bool isDenied)
    {
        // One prefix lies in another or they do not touch, so in the order of their beginnings the widest of a place comes first.
        List<IpPrefix> widest = [];
        foreach (IpPrefix prefix in prefixes.OrderBy(p => p.Address).ThenBy(p => p.Length))
        {
            if (widest.Count == 0 || !widest[^1].Overlaps(prefix))
            {
                widest.Add(prefix);
            }
        }

        _first = [.. widest.Select(p => p.Address)];
        _last = [.. widest.Select(Last)];
        _isDenied = isDenied;
    }

    public bool Admits(IpAddress source) => Contains(source) != _isDenied;

    private bool Contains(IpAddress address)
    {
        int low = 0;
        int high = _first.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (address < _first[middle])
            {
                high = middle - 1;
            }
            else if (address > _last[middle])
            {
                low = middle + 1;
            }
            else
            {
                return true;
            }
        }

        return false;
    }

    private static IpAddress Last(IpPrefix prefix) => new(
        prefix.Address.High | (prefix.Length >= 64 ? 0 : ulong.MaxValue >> prefix.Length),
        prefix.Address.Low | (prefix.Length >= 128 ? 0 : prefix.Length <= 64 ? ulong.MaxValue : ulong.MaxValue >> (prefix.Length - 64)));
}
