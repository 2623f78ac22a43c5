namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>How much a listener wants to be told; of an event, which listeners it is for.</summary>
public enum FlowDetail : byte
{
    /// <summary>What changes something: a flow's first packet each way, its ends, translations, verdicts of policies, drops.</summary>
    Changes = 0,

    /// <summary>Every packet.</summary>
    EveryPacket = 1,
}
