using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>One port of a service.</summary>
public sealed record ServiceSpec(string Name, IpProtocol Protocol, IReadOnlyList<FrontendSpec> Frontends, IReadOnlyList<BackendSpec> Backends, string Source);
