namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>What a watch has seen at once.</summary>
/// <param name="Revision">Everything up to this one has been told.</param>
public readonly record struct StoreBatch(IReadOnlyList<StoreChange> Changes, long Revision);
