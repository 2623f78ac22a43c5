using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>A rule as a map's compiler takes it.</summary>
/// <param name="Peers">Null for everybody.</param>
/// <param name="Ports">Null for all.</param>
internal sealed record MapRule(bool IsIngress, bool IsDeny, PeerSet[]? Peers, IReadOnlyList<PolicyPortSpec>? Ports, PolicySpec Policy, PolicyRuleSpec Spec)
{
    public bool Means(uint identity) => Peers is null || Array.Exists(Peers, p => p.Members.Contains(identity));
}
