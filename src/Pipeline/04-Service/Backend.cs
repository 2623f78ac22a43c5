using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where a flow can go. The id belongs to (address, port, protocol) and is never used again for another.</summary>
public readonly record struct Backend(uint Id, IpAddress Address, ushort Port, BackendState State = BackendState.Active);
