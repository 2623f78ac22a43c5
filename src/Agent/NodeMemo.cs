using System.Collections.Immutable;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// The nodes of the last configuration, as long as nothing that they come from has changed: most changes of a large mesh are of services
/// and addresses, and thousands of nodes need not be laid side by side for each.
/// </summary>
internal sealed class NodeMemo
{
    private ImmutableSortedDictionary<string, NodeObject>? _own;
    private NodeDocument? _restored;
    private (string Cluster, ImmutableDictionary<string, MeshNode> Nodes, bool IsSyncing)[] _others = [];
    private (IReadOnlyList<RemoteNodeDocument> Nodes, IReadOnlyList<string> Warnings) _last;

    /// <param name="make">Computes nodes and warnings when they may be others than last time.</param>
    public (IReadOnlyList<RemoteNodeDocument> Nodes, IReadOnlyList<string> Warnings) Get(
        LocalObjects objects, MeshView view, NodeDocument? restored, Func<string, bool> isSyncing, Func<(IReadOnlyList<RemoteNodeDocument>, IReadOnlyList<string>)> make)
    {
        // What the forwarder had counts for a cluster that has not been listed, also for one of which nothing is known yet.
        IEnumerable<string> names = view.Clusters.Keys.Union((restored?.Nodes ?? []).Select(n => n.Cluster ?? ""));
        (string Cluster, ImmutableDictionary<string, MeshNode> Nodes, bool IsSyncing)[] others =
            [.. names.Select(name => (name, view.Clusters.GetValueOrDefault(name)?.Nodes ?? ImmutableDictionary<string, MeshNode>.Empty, isSyncing(name)))];
        bool same = ReferenceEquals(_own, objects.Nodes) && ReferenceEquals(_restored, restored) && others.Length == _others.Length
            && others.Zip(_others).All(p => p.First.Cluster == p.Second.Cluster && ReferenceEquals(p.First.Nodes, p.Second.Nodes) && p.First.IsSyncing == p.Second.IsSyncing);
        if (!same)
        {
            _last = make();
            (_own, _restored, _others) = (objects.Nodes, restored, others);
        }

        return _last;
    }
}
