namespace ClusterMesh.Datapath.Agent.Probing;

/// <summary>How nodes try each other.</summary>
/// <param name="Port">Cilium's is 4240; the same on all nodes.</param>
internal sealed record HealthSettings(int Port, TimeSpan Interval);
