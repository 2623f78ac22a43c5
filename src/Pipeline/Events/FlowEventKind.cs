namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>What is told of a packet. Numbers are those of Cilium's monitor messages (monitor/api/types.go).</summary>
public enum FlowEventKind : byte
{
    None = 0,

    /// <summary>It was dropped.</summary>
    Drop = 1,

    /// <summary>It passed an observation point.</summary>
    Trace = 4,

    /// <summary>A policy decided about it.</summary>
    PolicyVerdict = 5,
}
