namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>One write of a commit.</summary>
/// <param name="Value">Null deletes the key.</param>
/// <param name="Lease">Lease the key is attached to; 0 for none.</param>
/// <param name="Expected">The revision the key must be at, 0 for a key that must be absent; null for any.</param>
public readonly record struct StoreWrite(string Key, ReadOnlyMemory<byte>? Value, long Lease = 0, long? Expected = null)
{
    /// <summary>Writes of one commit: etcd's own limit on a transaction unless it was told otherwise.</summary>
    public const int MostAtOnce = 128;
}
