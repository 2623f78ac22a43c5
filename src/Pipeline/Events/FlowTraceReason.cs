namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>What conntrack knew of a packet, by Hubble's numbers (flow.proto, TraceReason).</summary>
public enum FlowTraceReason : byte
{
    Unknown = 0,
    New = 1,
    Established = 2,
    Reply = 3,
    Related = 4,
}
