namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>An entry of the ipcache: a row of `cilium-dbg ip list`.</summary>
/// <param name="Prefix">address/length.</param>
/// <param name="Source">Who told of it: k8s, kvstore, custom-resource, generated, local.</param>
/// <param name="HostAddress">Of the node behind which it is; empty when there is none.</param>
public sealed record AgentAddress(string Prefix, uint Identity, string Source, string HostAddress = "", string Namespace = "", string Pod = "");
