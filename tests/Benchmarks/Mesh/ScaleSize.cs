namespace ClusterMesh.Datapath.Benchmarks.Mesh;

/// <summary>How large a simulated mesh is; nodes, pods and services are those of each cluster.</summary>
internal sealed record ScaleSize(int Clusters, int Nodes, int Pods, int Services, int Etcds)
{
    public int Keys => SimulatedClusters().Sum(c => c.Records().Count() + 1);

    public SimulatedCluster[] SimulatedClusters() => [.. Enumerable.Range(1, Clusters).Select(id => new SimulatedCluster(id, Nodes, Pods, Services))];
}
