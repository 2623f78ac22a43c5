using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>
/// Which entries of the flow state a packet looks for. Grows while packets are traced; what has grown is copied, and the packets are traced once
/// more, until a trace asks for nothing new.
/// </summary>
internal sealed class StateWants
{
    /// <summary>Keys of the conntrack table, as they stand in it.</summary>
    public HashSet<FlowKey> Conntrack { get; } = [];

    /// <summary>SNAT mappings by the flow as the client sends it.</summary>
    public HashSet<FlowKey> Forward { get; } = [];

    /// <summary>SNAT mappings by the flow as the world sees it.</summary>
    public HashSet<FlowKey> Translated { get; } = [];

    /// <summary>Flows, their source port 0, of which every port of the node is looked at: whether one is free.</summary>
    public HashSet<FlowKey> Ports { get; } = [];

    public HashSet<(uint Frontend, IpAddress Client)> Sessions { get; } = [];

    public HashSet<(FlowKey Key, uint Id)> Fragments { get; } = [];

    public HashSet<IpAddress> Neighbors { get; } = [];

    public int Count => Conntrack.Count + Forward.Count + Translated.Count + Ports.Count + Sessions.Count + Fragments.Count + Neighbors.Count;

    public void AddFlow(in FlowKey key) => Conntrack.Add(ConntrackTable.Ordered(key, out _));
}
