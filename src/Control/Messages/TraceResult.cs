namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Result of <c>trace</c>: what became of each packet, and with which configuration and dice.</summary>
public sealed record TraceResult(string Cluster, string Node, long Version, string Dice, IReadOnlyList<PacketTrace> Packets);
