namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The lines of <see cref="PacketPipeline"/>, in its order.</summary>
public enum PipelineStage
{
    Parse,
    Decap,
    RevSnat,
    Service,
    Conntrack,
    RevDnat,
    Policy,
    Route,
    Snat,

    /// <summary>Conntrack once more: records a new flow that all stages have let pass.</summary>
    Confirm,
    Encap,
    Transmit,
}
