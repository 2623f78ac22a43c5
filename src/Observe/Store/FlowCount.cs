using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>How many events there were of one kind.</summary>
/// <param name="SubType">The observation point of a trace, the drop reason of anything else.</param>
public readonly record struct FlowCount(FlowEventKind Kind, byte SubType, FlowVerdict Verdict, string Protocol, ulong Count);
