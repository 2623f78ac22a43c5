namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Second number of <see cref="DropReason.SourceLimit"/>: which limit it was.</summary>
public static class SourceLimitDetail
{
    public const byte NewFlows = 1;
    public const byte Flows = 2;
}
