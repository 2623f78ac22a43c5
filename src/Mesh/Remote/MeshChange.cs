using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>
/// What one change of the view touched. Changes hang together: who has the last one he has seen finds all later ones behind it, and nobody keeps
/// those that everybody has seen.
/// </summary>
/// <param name="Kind">Null when everything of the cluster may have changed.</param>
/// <param name="Keys">Of the records that were written or deleted.</param>
public sealed record MeshChange(string Cluster, MeshRecordKind? Kind, IReadOnlyList<string> Keys)
{
    private MeshChange? _next;

    /// <summary>The change behind this one; null when this is the last.</summary>
    public MeshChange? Next => Volatile.Read(ref _next);

    internal void Follow(MeshChange next) => Volatile.Write(ref _next, next);
}
