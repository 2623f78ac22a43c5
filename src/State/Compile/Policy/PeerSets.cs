using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>
/// What all peers of all rules mean (Cilium's selector cache): each different one once, kept in step identity by identity. An identity asks only
/// the selectors that name one of its labels.
/// </summary>
/// <param name="cluster">The node's own.</param>
internal sealed class PeerSets(IdentityIndex identities, CidrIdentities cidrs, string cluster, bool isDualStack, bool hasIpv4)
{
    public const string All = "all";
    private const string ClusterLabel = "k8s:io.cilium.k8s.policy.cluster";

    private readonly Dictionary<string, PeerSet> _byText = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Key, string Value), List<PeerSet>> _byLabel = [];

    /// <summary>Those that no single label finds.</summary>
    private readonly List<PeerSet> _others = [];

    /// <summary>Names of entities, as policies write them.</summary>
    public static IReadOnlyList<string> Entities { get; } =
        [All, "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver", "health", "init", "ingress", "unmanaged", "none"];

    public int Count => _byText.Count;

    /// <summary>An API server runs on this node, which stays the host all the same.</summary>
    public bool IsHostApiServer { get; set; }

    /// <summary>The set of a peer; to be released when its rule goes.</summary>
    public PeerSet Take(PolicyPeerSpec spec)
    {
        if (!_byText.TryGetValue(spec.Text, out PeerSet? set))
        {
            _byText.Add(spec.Text, set = new PeerSet(spec));
            OthersLike(set).Add(set);
            set.Members.UnionWith(spec.Labels is { } labels ? identities.Matching(labels) : Candidates().Where(id => Matches(spec, id)));
        }

        set.UseCount++;
        return set;
    }

    public void Release(PeerSet set)
    {
        if (--set.UseCount == 0)
        {
            _byText.Remove(set.Spec.Text);
            OthersLike(set).Remove(set);
        }
    }

    /// <summary>An identity came, went, or has other labels now: before it is known by its new ones, and behind that.</summary>
    /// <param name="change">Changes <see cref="IdentityIndex"/>.</param>
    public void Update(uint identity, Action change)
    {
        foreach (PeerSet set in Concerned(identity))
        {
            set.Members.Remove(identity);
        }

        change();
        foreach (PeerSet set in Concerned(identity))
        {
            if (set.Spec.Labels is { } labels ? identities.LabelsOf(identity) is { } known && labels.Matches(known) : Matches(set.Spec, identity))
            {
                set.Members.Add(identity);
            }
        }
    }

    private List<PeerSet> OthersLike(PeerSet set)
    {
        if (set.Spec.Labels?.Equality is not { } equality)
        {
            return _others;
        }

        if (!_byLabel.TryGetValue(equality, out List<PeerSet>? sets))
        {
            _byLabel.Add(equality, sets = []);
        }

        return sets;
    }

    private IEnumerable<PeerSet> Concerned(uint identity)
    {
        IEnumerable<PeerSet> byLabel = (identities.LabelsOf(identity) ?? new Dictionary<string, string>())
            .Select(l => _byLabel.GetValueOrDefault((l.Key, l.Value))).OfType<List<PeerSet>>().SelectMany(s => s);
        return byLabel.Concat(_others);
    }

    private IEnumerable<uint> Candidates() => identities.All.Concat(cidrs.ByNumber.Keys);

    private bool Matches(PolicyPeerSpec spec, uint identity) => spec.Entity is { } entity ? IsOf(entity, identity) : IsIn(spec, identity);

    private bool IsOf(string entity, uint identity) => entity switch
    {
        "world" => NumericIdentity.IsWorld(identity) && IsKnown(identity),
        "world-ipv4" => IsWorldOf(identity, isIpv4: true),
        "world-ipv6" => IsWorldOf(identity, isIpv4: false),
        "cluster" => identity is NumericIdentity.Host or (>= NumericIdentity.Unmanaged and <= NumericIdentity.Ingress)
            || identities.LabelsOf(identity)?.GetValueOrDefault(ClusterLabel) == cluster,
        "host" => identity == NumericIdentity.Host,
        "remote-node" => identity is NumericIdentity.RemoteNode or NumericIdentity.KubeApiServer,
        "kube-apiserver" => identity == NumericIdentity.KubeApiServer || (identity == NumericIdentity.Host && IsHostApiServer),
        "health" => identity == NumericIdentity.Health,
        "init" => identity == NumericIdentity.Init,
        "ingress" => identity == NumericIdentity.Ingress,
        "unmanaged" => identity == NumericIdentity.Unmanaged,
        All => IsKnown(identity),
        _ => false,
    };

    private bool IsIn(PolicyPeerSpec spec, uint identity)
    {
        IpPrefix cidr = spec.Cidr!.Value;
        if (cidr.FamilyLength == 0 && NumericIdentity.IsWorld(identity) && !NumericIdentity.IsCidr(identity))
        {
            return IsWorldOf(identity, cidr.IsIpv4);
        }

        return cidrs.ByNumber.TryGetValue(identity, out IpPrefix prefix) && Covers(cidr, prefix) && !spec.Except.Any(e => Covers(e, prefix));
    }

    /// <summary>The world of a node with one family is of that one.</summary>
    private bool IsWorldOf(uint identity, bool isIpv4) => identity switch
    {
        NumericIdentity.World => !isDualStack && isIpv4 == hasIpv4,
        NumericIdentity.WorldIpv4 => isDualStack && isIpv4,
        NumericIdentity.WorldIpv6 => isDualStack && !isIpv4,
        _ => cidrs.ByNumber.TryGetValue(identity, out IpPrefix prefix) && prefix.IsIpv4 == isIpv4,
    };

    private bool IsKnown(uint identity) => !NumericIdentity.IsCidr(identity) || cidrs.ByNumber.ContainsKey(identity);

    private static bool Covers(IpPrefix outer, IpPrefix inner) => outer.IsIpv4 == inner.IsIpv4 && outer.Length <= inner.Length && outer.Contains(inner.Address);
}
