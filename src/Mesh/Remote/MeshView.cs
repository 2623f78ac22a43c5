using System.Collections.Immutable;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>All other clusters at one moment. Immutable, so that who computes with it sees one state.</summary>
/// <param name="Version">Grows with each change.</param>
/// <param name="Clusters">By name, in the order of the names: of two that claim one address, the first counts.</param>
public sealed record MeshView(long Version, ImmutableSortedDictionary<string, ClusterView> Clusters)
{
    public static MeshView Empty { get; } = new(0, ImmutableSortedDictionary.Create<string, ClusterView>(StringComparer.Ordinal));

    public IEnumerable<MeshNode> Nodes => Clusters.Values.SelectMany(c => c.Nodes.Values);

    public IEnumerable<IpIdentity> Ips => Clusters.Values.SelectMany(c => c.Ips.Values);

    /// <summary>The records of one service in the clusters that share it.</summary>
    public IEnumerable<ClusterService> Services(string key)
    {
        foreach (ClusterView cluster in Clusters.Values)
        {
            if (cluster.Services.TryGetValue(key, out ClusterService? service))
            {
                yield return service;
            }
        }
    }
}
