namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Whom some endpoints may hear and speak to: a NetworkPolicy or one of Cilium's, as far as a datapath is concerned.</summary>
/// <param name="Name">Unique: default/allow-curl.</param>
/// <param name="Kind">What it was written as: NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy.</param>
/// <param name="Subject">The endpoints that it is for, by labels with their source.</param>
/// <param name="IsForNode">It is for the node's own stack, and <paramref name="Subject"/> is for the node's labels.</param>
/// <param name="DeniesIngress">The endpoints are closed to what no rule lets in.</param>
/// <param name="DeniesEgress">The endpoints are closed to what no rule lets out.</param>
public sealed record PolicySpec(
    string Name, string Kind, LabelSelector Subject, bool IsForNode, bool DeniesIngress, bool DeniesEgress, IReadOnlyList<PolicyRuleSpec> Rules, string Source);
