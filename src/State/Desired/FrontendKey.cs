using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What no two services may have in common.</summary>
/// <param name="IsInternal">The inner side of a frontend with two (<see cref="Pipeline.Frontend.Internal"/>).</param>
internal readonly record struct FrontendKey(IpAddress Address, ushort Port, IpProtocol Protocol, bool IsInternal = false);
