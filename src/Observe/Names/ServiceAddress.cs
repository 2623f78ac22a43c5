using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Names;

/// <summary>A frontend: what a packet's address, port and protocol must be to be for the service.</summary>
public readonly record struct ServiceAddress(IpAddress Address, ushort Port, IpProtocol Protocol);
