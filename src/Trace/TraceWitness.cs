using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Looks on for a <see cref="StageScribe"/>.</summary>
internal readonly struct TraceWitness(StageScribe scribe) : IStageWitness
{
    public bool Enters(PipelineStage stage, in PacketContext p, Verdict v) => scribe.Enters(stage, p, v);
}
