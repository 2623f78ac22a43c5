namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>Whether a packet goes back to the one who began its flow.</summary>
public enum FlowReply : byte
{
    Unknown = 0,
    No = 1,
    Yes = 2,
}
