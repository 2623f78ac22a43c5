namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Sees a packet between the stages. A struct, so that the pipeline is compiled for each by itself: where nobody looks on nothing is left of it
/// (docs/decisions/0035-trace.md).
/// </summary>
public interface IStageWitness
{
    /// <summary>The packet as it comes to a stage.</summary>
    /// <param name="v">What the stages before have said.</param>
    /// <returns>Whether the stage is to run: only when they said to go on.</returns>
    bool Enters(PipelineStage stage, in PacketContext p, Verdict v);
}
