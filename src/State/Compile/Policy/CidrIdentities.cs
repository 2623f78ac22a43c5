using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>
/// Identities of the CIDRs that policies name, as this node gives them: by them an address outside all clusters is found to be in some CIDR. They never
/// leave the node, so their numbers need not be the same elsewhere.
/// </summary>
internal sealed class CidrIdentities
{
    private readonly Dictionary<IpPrefix, uint> _byPrefix = [];
    private readonly Dictionary<uint, IpPrefix> _byNumber = [];
    private uint _last;

    /// <summary>All there are.</summary>
    public IReadOnlyDictionary<uint, IpPrefix> ByNumber => _byNumber;

    /// <summary>Makes the CIDRs of all these policies known, and forgets the others.</summary>
    /// <returns>What came and what went; nothing of one that stays.</returns>
    public (List<(IpPrefix Prefix, uint Identity)> Come, List<(IpPrefix Prefix, uint Identity)> Gone) Update(IEnumerable<PolicySpec> policies)
    {
        HashSet<IpPrefix> wanted =
        [
            .. policies.SelectMany(p => p.Rules).SelectMany(r => r.Peers ?? [])
                .SelectMany(p => p.Cidr is IpPrefix cidr ? p.Except.Prepend(cidr) : []).Where(p => p.FamilyLength > 0),
        ];
        List<(IpPrefix, uint)> gone = [.. _byPrefix.Where(known => !wanted.Contains(known.Key)).Select(known => (known.Key, known.Value))];
        foreach ((IpPrefix prefix, uint number) in gone)
        {
            _byPrefix.Remove(prefix);
            _byNumber.Remove(number);
        }

        List<(IpPrefix, uint)> come = [];
        foreach (IpPrefix prefix in wanted.Where(p => !_byPrefix.ContainsKey(p)).Order())
        {
            uint number;
            do
            {
                _last = (_last + 1) & ~NumericIdentity.ScopeMask;
                number = NumericIdentity.CidrScope | _last;
            }
            while (_last == 0 || _byNumber.ContainsKey(number));

            _byPrefix.Add(prefix, number);
            _byNumber.Add(number, prefix);
            come.Add((prefix, number));
        }

        return (come, gone);
    }

    /// <summary>As Cilium shows them.</summary>
    public IReadOnlyList<string> LabelsOf(uint identity) => _byNumber.TryGetValue(identity, out IpPrefix prefix) ? [$"cidr:{prefix}", "reserved:world"] : [];
}
