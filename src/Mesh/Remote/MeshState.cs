using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>Holds the current <see cref="MeshView"/>: each remote cluster changes its own part, and readers are told that there is a newer one.</summary>
public sealed class MeshState
{
    private readonly Lock _writing = new();
    private MeshView _current = MeshView.Empty;
    private MeshChange _last = new("", null, []);
    private TaskCompletionSource _change = NewSignal();

    public MeshView Current => Volatile.Read(ref _current);

    /// <summary>Completes with the next change. Take it before <see cref="Current"/>, so that no change falls between.</summary>
    public Task NextChange => Volatile.Read(ref _change).Task;

    /// <summary>The last change there was. Take it before <see cref="Current"/>: what comes behind it may be in the view already, and nothing is left out.</summary>
    public MeshChange LastChange => Volatile.Read(ref _last);

    /// <summary>Changes one cluster's part; a cluster that is not there yet begins empty.</summary>
    /// <param name="kind">What is changed; null for several kinds.</param>
    /// <param name="keys">Of the records that are changed.</param>
    public void Update(string cluster, uint clusterId, Func<ClusterView, ClusterView> change, MeshRecordKind? kind = null, IReadOnlyList<string>? keys = null)
    {
        lock (_writing)
        {
            ClusterView before = _current.Clusters.GetValueOrDefault(cluster) ?? ClusterView.Empty(cluster, clusterId);
            ClusterView after = change(before with { ClusterId = clusterId });
            if (after != before)
            {
                Publish(new MeshView(_current.Version + 1, _current.Clusters.SetItem(cluster, after)), new MeshChange(cluster, kind, keys ?? []));
            }
        }
    }

    /// <summary>Forgets a cluster and everything of it.</summary>
    public void Remove(string cluster)
    {
        lock (_writing)
        {
            if (_current.Clusters.ContainsKey(cluster))
            {
                Publish(new MeshView(_current.Version + 1, _current.Clusters.Remove(cluster)), new MeshChange(cluster, null, []));
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Publish(MeshView view, MeshChange change)
    {
        Volatile.Write(ref _current, view);
        _last.Follow(change);
        Volatile.Write(ref _last, change);
        Interlocked.Exchange(ref _change, NewSignal()).SetResult();
    }
}
