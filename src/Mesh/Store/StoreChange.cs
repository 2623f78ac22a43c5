namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>A key that was written or deleted.</summary>
/// <param name="Value">Null when it was deleted.</param>
public readonly record struct StoreChange(string Key, ReadOnlyMemory<byte>? Value, long Revision);
