namespace ClusterMesh.Datapath.Observe.Names;

public sealed record ServiceName(string Namespace, string Name);
