namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>What became of a packet, by Hubble's numbers (flow.proto, Verdict).</summary>
public enum FlowVerdict : byte
{
    Unknown = 0,
    Forwarded = 1,
    Dropped = 2,
    Error = 3,
    Audit = 4,
    Redirected = 5,
    Traced = 6,
    Translated = 7,
}
