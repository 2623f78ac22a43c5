using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>One cluster's file of the remote directory.</summary>
/// <param name="Hash">SHA-256 of the content: another one means another connection.</param>
public sealed record RemoteFile(string Name, string Path, string Hash, EtcdSettings Settings);
