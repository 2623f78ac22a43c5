namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>Holds the current <see cref="MeshView"/>: each remote cluster changes its own part, and readers are told that there is a newer one.</summary>
public sealed class MeshState
{
    private readonly Lock _writing = new();
    private MeshView _current = MeshView.Empty;
    private TaskCompletionSource _change = NewSignal();

    public MeshView Current => Volatile.Read(ref _current);

    /// <summary>Completes with the next change. Take it before <see cref="Current"/>, so that no change falls between.</summary>
    public Task NextChange => Volatile.Read(ref _change).Task;

    /// <summary>Changes one cluster's part; a cluster that is not there yet begins empty.</summary>
    public void Update(string cluster, uint clusterId, Func<ClusterView, ClusterView> change)
    {
        lock (_writing)
        {
            ClusterView before = _current.Clusters.GetValueOrDefault(cluster) ?? ClusterView.Empty(cluster, clusterId);
            ClusterView after = change(before with { ClusterId = clusterId });
            if (after != before)
            {
                Publish(new MeshView(_current.Version + 1, _current.Clusters.SetItem(cluster, after)));
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
                Publish(new MeshView(_current.Version + 1, _current.Clusters.Remove(cluster)));
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Publish(MeshView view)
    {
        Volatile.Write(ref _current, view);
        Interlocked.Exchange(ref _change, NewSignal()).SetResult();
    }
}
