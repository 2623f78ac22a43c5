namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Nobody looks on: what forwards.</summary>
public struct NoWitness : IStageWitness
{
    public readonly bool Enters(PipelineStage stage, in PacketContext p, Verdict v) => v == Verdict.Continue;
}
