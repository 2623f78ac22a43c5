using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The TAP towards the node's own network stack.</summary>
public sealed record HostPortSpec(string Namespace, string Interface, MacAddress Mac, bool InstallRoutes);
