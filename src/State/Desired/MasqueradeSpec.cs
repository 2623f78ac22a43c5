using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The masquerade rules in force.</summary>
public sealed record MasqueradeSpec(bool Enabled, IReadOnlyList<IpPrefix> NonMasqueradeCidrs);
