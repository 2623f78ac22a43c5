using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>The rules of all policies that select one kind of endpoints, compiled for both directions.</summary>
internal sealed class SubjectPolicy
{
    private readonly PolicyMapCompiler? _ingress;
    private readonly PolicyMapCompiler? _egress;

    /// <param name="before">What the same endpoints had: a direction of the same rules is kept as it is.</param>
    public SubjectPolicy(MapRule[] rules, bool isIngressClosed, bool isEgressClosed, SubjectPolicy? before)
    {
        Rules = rules;
        IsIngressClosed = isIngressClosed;
        IsEgressClosed = isEgressClosed;
        _ingress = CompilerOf([.. rules.Where(r => r.IsIngress)], isIngressClosed, before?._ingress);
        _egress = CompilerOf([.. rules.Where(r => !r.IsIngress)], isEgressClosed, before?._egress);
    }

    public IReadOnlyList<MapRule> Rules { get; }

    /// <summary>What no rule lets in stays out.</summary>
    public bool IsIngressClosed { get; }

    public bool IsEgressClosed { get; }

    public bool IsSameAs(SubjectPolicy other) =>
        IsIngressClosed == other.IsIngressClosed && IsEgressClosed == other.IsEgressClosed && Rules.SequenceEqual(other.Rules, ReferenceEqualityComparer.Instance);

    /// <summary>What the map of a direction says; an open direction without one allows all.</summary>
    public PolicyDecision Decide(bool isIngress, uint peer, IpProtocol protocol, ushort port) =>
        (isIngress ? _ingress : _egress)?.Map.Lookup(peer, protocol, port) ?? new PolicyDecision(PolicyDecisionKind.Allow, PolicyMatch.All);

    public EndpointPolicy PolicyOf(bool isAudit) => new(_ingress?.Map, _egress?.Map, isAudit);

    /// <summary>Takes up what identities have become.</summary>
    /// <returns>Whether a map is another one now.</returns>
    public bool Update(IReadOnlyCollection<uint> identities)
    {
        PolicyMap? ingress = _ingress?.Map;
        PolicyMap? egress = _egress?.Map;
        _ingress?.Update(identities);
        _egress?.Update(identities);
        return _ingress?.Map != ingress || _egress?.Map != egress;
    }

    /// <summary>An open direction that no rule denies anything of needs no map.</summary>
    private static PolicyMapCompiler? CompilerOf(MapRule[] rules, bool isClosed, PolicyMapCompiler? before) =>
        !isClosed && !Array.Exists(rules, r => r.IsDeny) ? null
        : before is not null && before.HasRules(rules, !isClosed) ? before
        : new PolicyMapCompiler(rules, !isClosed);
}
