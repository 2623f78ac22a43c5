namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>A page of a list.</summary>
/// <param name="Revision">Of the whole list, the same on each page; a watch goes on from the next one.</param>
/// <param name="Next">Where the next page begins, in the store's own terms; null behind the last.</param>
public sealed record StorePage(IReadOnlyList<StoreEntry> Entries, long Revision, object? Next);
