namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>A backend of a merged service.</summary>
/// <param name="Preferred">The affinity prefers its side; what listings mark, whether or not it is used.</param>
/// <param name="Selected">New flows may go to it.</param>
public readonly record struct MergedBackend(ServiceBackend Backend, bool Preferred, bool Selected);
