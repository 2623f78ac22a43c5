namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>A key with its value.</summary>
/// <param name="Revision">Of its last write.</param>
/// <param name="Lease">0 when it is attached to none.</param>
public readonly record struct StoreEntry(string Key, ReadOnlyMemory<byte> Value, long Revision, long Lease);
