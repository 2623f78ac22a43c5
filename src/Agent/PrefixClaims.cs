using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Who has which range, so that a second claim on any part of one is noticed; a look among ten thousand costs little more than among ten.
/// </summary>
internal sealed class PrefixClaims
{
    private static readonly IpPrefix s_last = new(new IpAddress(ulong.MaxValue, ulong.MaxValue), IpPrefix.MaxLength);
    private readonly Dictionary<IpPrefix, string> _owners = [];

    /// <summary>One order for each family: an IPv6 range never holds IPv4 addresses, whatever their mapped form.</summary>
    private readonly SortedSet<IpPrefix> _ipv4 = [];
    private readonly SortedSet<IpPrefix> _ipv6 = [];
    private readonly SortedSet<int> _lengths = [];

    /// <summary>The first who claims a range keeps it; overlaps are not looked at.</summary>
    public void Add(IpPrefix prefix, string owner)
    {
        if (_owners.TryAdd(prefix, owner))
        {
            (prefix.IsIpv4 ? _ipv4 : _ipv6).Add(prefix);
            _lengths.Add(prefix.FamilyLength);
        }
    }

    /// <summary>Who has a range that overlaps; null when nobody has.</summary>
    public string? FindOverlap(IpPrefix prefix)
    {
        foreach (int length in _lengths)
        {
            if (length > prefix.FamilyLength)
            {
                break;
            }

            if (_owners.TryGetValue(IpPrefix.Containing(prefix.Address, length), out string? wider))
            {
                return wider;
            }
        }

        // Ranges are nested or apart: in their order, whatever lies within this one begins right behind it.
        foreach (IpPrefix inner in (prefix.IsIpv4 ? _ipv4 : _ipv6).GetViewBetween(prefix, s_last))
        {
            return prefix.Overlaps(inner) ? _owners[inner] : null;
        }

        return null;
    }
}
