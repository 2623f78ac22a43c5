namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>A security identity: a row of `cilium-dbg identity list`.</summary>
/// <param name="Labels">source:key=value, in order.</param>
public sealed record AgentIdentity(uint Id, IReadOnlyList<string> Labels);
