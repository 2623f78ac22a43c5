namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>A remote cluster cannot be used as it is; the message is one sentence for people.</summary>
public sealed class RemoteException(string message) : Exception(message);
