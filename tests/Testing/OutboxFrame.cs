using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>A frame that the datapath sent by itself or had held.</summary>
public sealed record OutboxFrame(string Port, byte[] Frame, VirtioNetHeader Offload);
