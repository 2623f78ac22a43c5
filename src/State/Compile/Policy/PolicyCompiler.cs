using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>
/// Policies, identities and endpoints -> the policy of each endpoint. Endpoints of one identity share theirs. Works by difference: an identity that
/// comes is put where the rules want it, a policy compiles only the endpoints anew that it selects.
/// </summary>
internal sealed class PolicyCompiler
{
    private readonly LocalNodeSpec _local;
    private readonly IdentityIndex _identities = new();
    private readonly CidrIdentities _cidrs = new();
    private readonly PeerSets _peers;
    private readonly HashSet<IpPrefix> _own;
    private readonly HashSet<IpPrefix> _endpoints = [];
    private readonly Dictionary<string, (PolicySpec Spec, MapRule[] Rules)> _policies = new(StringComparer.Ordinal);
    private readonly Dictionary<uint, SubjectPolicy> _subjects = [];
    private readonly MapRule _localhost;
    private Dictionary<int, uint> _subjectOf = [];
    private SubjectPolicy? _host;
    private PolicyTable _table = PolicyTable.Empty;

    public PolicyCompiler(LocalNodeSpec local, bool isDualStack)
    {
        _local = local;
        _own = [.. local.Addresses.Select(a => a.Address).Select(IpPrefix.Host)];
        _peers = new PeerSets(_identities, _cidrs, local.Cluster, isDualStack, local.PodCidrs.Concat(local.Addresses.Select(a => a.OnLink)).Any(c => c.IsIpv4));
        foreach (uint reserved in NumericIdentity.Named)
        {
            _identities.Set(reserved, [$"reserved:{NumericIdentity.NameOf(reserved)}"]);
        }

        var spec = new PolicyRuleSpec(true, false, [new PolicyPeerSpec(null, "host", null, [])], null, "the node reaches its pods (policy.allowLocalhost)");
        var policy = new PolicySpec("allow-localhost", "", LabelSelector.Everything, false, false, false, [spec], "");
        _localhost = new MapRule(true, false, [_peers.Take(spec.Peers![0])], null, policy, spec);
    }

    public IEnumerable<uint> CidrNumbers => _cidrs.ByNumber.Keys;

    /// <summary>Different peers in all rules.</summary>
    public int PeerSetCount => _peers.Count;

    public IReadOnlyList<string> LabelsOfCidr(uint identity) => _cidrs.LabelsOf(identity);

    /// <param name="next">All that is wanted, afterwards.</param>
    /// <param name="setCidr">Told of each CIDR that has an identity from now on, and with 0 of those that have none any more.</param>
    public PolicyTable Update(DesiredDifference difference, DesiredState next, IReadOnlyDictionary<string, Port> ports, Action<IpPrefix, uint> setCidr)
    {
        HashSet<uint> changed = [];
        UpdateIdentities(difference, next, changed);
        UpdatePolicies(difference.Policies, next, changed, setCidr);
        bool arePortsOther = AreEndpointsConcerned(difference);
        if (arePortsOther)
        {
            _subjectOf = SubjectsOf(next, ports);
        }

        bool isOther = (arePortsOther || !difference.Policies.IsEmpty || _subjectOf.Values.Any(changed.Contains)) && Select();
        if (changed.Count > 0)
        {
            foreach (SubjectPolicy subject in _host is null ? _subjects.Values : _subjects.Values.Append(_host))
            {
                isOther |= subject.Update(changed);
            }
        }

        if (isOther || arePortsOther)
        {
            _table = MakeTable();
        }

        return _table;
    }

    /// <summary>What the policies of the endpoint behind a port say; null when it has none.</summary>
    public PolicySide? Explain(int endpoint, bool isIngress, uint peer, IpProtocol protocol, ushort port)
    {
        SubjectPolicy? subject = endpoint == StateWriter.HostPort ? _host : _subjectOf.TryGetValue(endpoint, out uint identity) ? _subjects.GetValueOrDefault(identity) : null;
        return subject is null ? null : new PolicySide(
            subject.Decide(isIngress, peer, protocol, port), isIngress ? subject.IsIngressClosed : subject.IsEgressClosed,
            [
                .. subject.Rules.Where(r => r.IsIngress == isIngress && r.Means(peer) && (r.Ports is null || r.Ports.Any(p => p.Covers(protocol, port))))
                    .OrderByDescending(r => r.IsDeny).Select(r => (r.Policy, r.Spec)),
            ]);
    }

    /// <summary>Ports of the endpoints that a policy selects.</summary>
    public IEnumerable<int> PortsOf(PolicySpec policy) => policy.IsForNode
        ? _host is not null && _host.Rules.Any(r => r.Policy.Name == policy.Name) ? [StateWriter.HostPort] : []
        : _subjectOf.Where(s => _identities.LabelsOf(s.Value) is { } labels && policy.Subject.Matches(labels)).Select(s => s.Key);

    /// <summary>Whether a port comes, goes, or is another's now.</summary>
    private bool AreEndpointsConcerned(DesiredDifference difference)
    {
        _endpoints.ExceptWith(difference.Endpoints.Gone.SelectMany(e => e.Addresses).Select(IpPrefix.Host));
        _endpoints.UnionWith(difference.Endpoints.Come.SelectMany(e => e.Addresses).Select(IpPrefix.Host));
        return !difference.Endpoints.IsEmpty || difference.Ipcache.Gone.Concat(difference.Ipcache.Come).Any(i => _endpoints.Contains(i.Prefix));
    }

    private void UpdateIdentities(DesiredDifference difference, DesiredState next, HashSet<uint> changed)
    {
        foreach (IdentitySpec gone in difference.Identities.Gone.Where(g => !next.Identities.ContainsKey(g.Id)))
        {
            _peers.Update(gone.Id, () => _identities.Remove(gone.Id));
            changed.Add(gone.Id);
        }

        foreach (IdentitySpec come in difference.Identities.Come)
        {
            _peers.Update(come.Id, () => _identities.Set(come.Id, come.Labels));
            changed.Add(come.Id);
        }

        bool isApiServer = difference.Ipcache.IsEmpty ? _peers.IsHostApiServer : _own.Any(o => next.Ipcache.GetValueOrDefault(o)?.Identity == NumericIdentity.KubeApiServer);
        if (isApiServer != _peers.IsHostApiServer)
        {
            _peers.Update(NumericIdentity.Host, () => _peers.IsHostApiServer = isApiServer);
            changed.Add(NumericIdentity.Host);
        }
    }

    private void UpdatePolicies(KindDifference<PolicySpec> difference, DesiredState next, HashSet<uint> changed, Action<IpPrefix, uint> setCidr)
    {
        if (difference.IsEmpty)
        {
            return;
        }

        foreach (PolicySpec gone in difference.Gone)
        {
            _policies.Remove(gone.Name, out (PolicySpec Spec, MapRule[] Rules) policy);
            foreach (PeerSet peers in policy.Rules.SelectMany(r => r.Peers ?? []))
            {
                _peers.Release(peers);
            }
        }

        (List<(IpPrefix Prefix, uint Identity)> come, List<(IpPrefix Prefix, uint Identity)> goneCidrs) = _cidrs.Update(next.Policies.Values);
        foreach ((IpPrefix prefix, uint identity) in goneCidrs)
        {
            setCidr(prefix, 0);
            _peers.Update(identity, () => { });
            changed.Add(identity);
        }

        foreach ((IpPrefix prefix, uint identity) in come)
        {
            setCidr(prefix, identity);
            _peers.Update(identity, () => { });
            changed.Add(identity);
        }

        foreach (PolicySpec policy in difference.Come)
        {
            _policies[policy.Name] = (policy, [.. policy.Rules.Select(r => RuleOf(policy, r))]);
        }
    }

    private MapRule RuleOf(PolicySpec policy, PolicyRuleSpec rule)
    {
        bool isForAll = rule.Peers is null || rule.Peers.Any(p => p.Entity == PeerSets.All);
        return new MapRule(rule.IsIngress, rule.IsDeny, isForAll ? null : [.. rule.Peers!.Select(_peers.Take)], rule.Ports, policy, rule);
    }

    /// <summary>Port -> identity of the endpoint behind it.</summary>
    private static Dictionary<int, uint> SubjectsOf(DesiredState next, IReadOnlyDictionary<string, Port> ports)
    {
        Dictionary<int, uint> subjects = new(next.Endpoints.Count);
        foreach (EndpointSpec endpoint in next.Endpoints.Values)
        {
            IpcacheSpec? told = endpoint.Addresses.Select(a => next.Ipcache.GetValueOrDefault(IpPrefix.Host(a))).FirstOrDefault(e => e is not null);
            subjects[ports[endpoint.Name].Id] = told?.Identity ?? NumericIdentity.Init;
        }

        return subjects;
    }

    /// <summary>Finds the policies of each kind of endpoint, and compiles those whose rules are others now.</summary>
    /// <returns>Whether any is.</returns>
    private bool Select()
    {
        bool isOther = false;
        HashSet<uint> wanted = [.. _subjectOf.Values];
        foreach (uint gone in _subjects.Keys.Where(s => !wanted.Contains(s)).ToArray())
        {
            _subjects.Remove(gone);
            isOther = true;
        }

        foreach (uint subject in wanted)
        {
            SubjectPolicy? policy = Compile(_identities.LabelsOf(subject), isForNode: false, _subjects.GetValueOrDefault(subject));
            isOther |= policy != _subjects.GetValueOrDefault(subject);
            if (policy is null)
            {
                _subjects.Remove(subject);
            }
            else
            {
                _subjects[subject] = policy;
            }
        }

        SubjectPolicy? host = _local.Policy.HasHostFirewall && _local.Host is not null
            ? Compile(IdentityIndex.Parse(_local.Labels.Select(l => $"k8s:{l.Key}={l.Value}").Append("reserved:host")), isForNode: true, _host)
            : null;
        isOther |= host != _host;
        _host = host;
        return isOther;
    }

    private SubjectPolicy? Compile(IReadOnlyDictionary<string, string>? labels, bool isForNode, SubjectPolicy? before)
    {
        if (_local.Policy.Enforcement == PolicyEnforcement.Never)
        {
            return null;
        }

        (PolicySpec Spec, MapRule[] Rules)[] selecting = labels is null
            ? []
            : [.. _policies.Values.Where(p => p.Spec.IsForNode == isForNode && p.Spec.Subject.Matches(labels)).OrderBy(p => p.Spec.Name, StringComparer.Ordinal)];
        bool isAlways = _local.Policy.Enforcement == PolicyEnforcement.Always && !isForNode;
        if (selecting.Length == 0 && !isAlways)
        {
            return null;
        }

        MapRule[] rules = [.. selecting.SelectMany(s => s.Rules), .. !isForNode && _local.Policy.AllowsLocalhost ? (MapRule[])[_localhost] : []];
        var next = new SubjectPolicy(
            rules, isIngressClosed: isAlways || selecting.Any(s => s.Spec.DeniesIngress), isEgressClosed: isAlways || selecting.Any(s => s.Spec.DeniesEgress), before);
        return before is not null && next.IsSameAs(before) ? before : next;
    }

    private PolicyTable MakeTable()
    {
        if (_subjects.Count == 0 && _host is null)
        {
            return PolicyTable.Empty;
        }

        var byPort = new EndpointPolicy?[_subjectOf.Keys.Append(StateWriter.HostPort).Max() + 1];
        byPort[StateWriter.HostPort] = _host?.PolicyOf(_local.Policy.IsAudit);
        foreach ((int port, uint identity) in _subjectOf)
        {
            byPort[port] = _subjects.GetValueOrDefault(identity)?.PolicyOf(_local.Policy.IsAudit);
        }

        return new PolicyTable(byPort);
    }
}
