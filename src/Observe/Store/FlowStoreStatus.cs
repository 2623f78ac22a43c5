namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>How full a store is and what went through it.</summary>
/// <param name="Count">Events that can be read now.</param>
/// <param name="Seen">Since the start.</param>
/// <param name="Lost">Events that were lost before they reached the store.</param>
/// <param name="Refused">Records of a version that this program does not know.</param>
/// <param name="Rate">Events a second over the last minute, or since the start when that is less.</param>
public readonly record struct FlowStoreStatus(ulong Count, ulong Capacity, ulong Seen, ulong Lost, ulong Refused, TimeSpan Uptime, double Rate);
