using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>Packets and bytes in one direction; of drops, for one reason.</summary>
/// <param name="DropReason">0 for what was forwarded.</param>
public readonly record struct TrafficCount(byte DropReason, FlowDirection Direction, ulong Packets, ulong Bytes);
