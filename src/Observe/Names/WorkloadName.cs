namespace ClusterMesh.Datapath.Observe.Names;

/// <summary>What a pod belongs to: ("web", "Deployment").</summary>
public readonly record struct WorkloadName(string Name, string Kind);
