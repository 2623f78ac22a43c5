using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>What tells one backend from another, whichever services have it.</summary>
internal readonly record struct BackendKey(IpAddress Address, ushort Port, IpProtocol Protocol);
