namespace ClusterMesh.Datapath.Io.Native;

/// <summary>Which network namespace it is, whatever its name: the file's device and inode (namespaces(7)). No live namespace is default.</summary>
internal readonly record struct NamespaceIdentity(uint Major, uint Minor, ulong Inode);
