using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>Who is behind a prefix, and who says so.</summary>
/// <param name="Endpoint">The node it is behind; null when that is unknown.</param>
/// <param name="Origin">In Cilium's words: kube-apiserver, custom-resource, kvstore.</param>
internal readonly record struct IpcacheClaim(uint Identity, IpAddress? Endpoint, byte Key, string Cluster, string Origin);
