using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Who is behind a prefix, as it was told: an entry of Cilium's ipcache.</summary>
/// <param name="TunnelEndpoint">The node it is behind; unset when that is not known or is this one.</param>
/// <param name="Cluster">Whose it is; empty when that was not said.</param>
/// <param name="Origin">Who says so, in Cilium's words: kvstore, custom-resource, kube-apiserver.</param>
public sealed record IpcacheSpec(IpPrefix Prefix, uint Identity, IpAddress TunnelEndpoint, byte Key, IpcacheFlags Flags, string Cluster, string Origin, string Source);
