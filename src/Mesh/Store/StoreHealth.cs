namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>The one state of a store that people see.</summary>
/// <param name="Text">Where it is when all is well, otherwise what is wrong, in words.</param>
public sealed record StoreHealth(bool IsConnected, string Text);
