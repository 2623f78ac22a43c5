using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Where clients address a service; <paramref name="Address"/> is null for a NodePort, which listens on every node address.</summary>
public sealed record FrontendSpec(ServiceType Type, IpAddress? Address, ushort Port);
