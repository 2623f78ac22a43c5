namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>Which cluster has which id. Two with one id would hand out the same identities.</summary>
public sealed class ClusterIds(int local)
{
    private readonly Lock _using = new();
    private readonly Dictionary<uint, string> _taken = [];

    /// <summary>One sentence, or null when the id is the cluster's now.</summary>
    public string? Reserve(string cluster, uint id)
    {
        lock (_using)
        {
            if (id == local)
            {
                return $"clusterID {id} is assigned to the local cluster";
            }

            if (_taken.TryGetValue(id, out string? holder) && holder != cluster)
            {
                return $"clusterID {id} is already used by cluster '{holder}'";
            }

            _taken[id] = cluster;
            return null;
        }
    }

    public void Release(string cluster)
    {
        lock (_using)
        {
            foreach (uint id in _taken.Where(t => t.Value == cluster).Select(t => t.Key).ToArray())
            {
                _taken.Remove(id);
            }
        }
    }
}
