using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>An entry of the flow store: an event with the names of its time, or a notice that events were lost.</summary>
public readonly record struct FlowSlot(FlowRecord Record, NameTable Names, ulong LostCount)
{
    public bool IsNotice => LostCount > 0;
}
