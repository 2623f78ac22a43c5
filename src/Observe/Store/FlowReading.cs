namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>What a reader gets next: an event, or the notice that some were lost.</summary>
/// <param name="Flow">Null for a notice. The object is the reader's and is loaded anew by the next reading.</param>
/// <param name="LostCount">Of a notice.</param>
/// <param name="LostByReader">True when this reader was too slow, false when they were lost before the store.</param>
/// <param name="Time">Nanoseconds since 1970-01-01 UTC; 0 when the notice has none.</param>
public readonly record struct FlowReading(ObservedFlow? Flow, ulong LostCount, bool LostByReader, long Time);
