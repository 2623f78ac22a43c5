using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>A port of a pod that has a name.</summary>
public readonly record struct NamedPort(string Name, ushort Port, IpProtocol Protocol);
