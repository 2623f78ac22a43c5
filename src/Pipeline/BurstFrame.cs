using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>One frame of a burst: where it lies, where it came from and, behind the pipeline, what becomes of it.</summary>
public record struct BurstFrame
{
    /// <summary>Number of its buffer.</summary>
    public int Buffer { get; init; }

    /// <summary>Of the Ethernet header, in bytes from the beginning of the buffer.</summary>
    public int Start { get; set; }

    /// <summary>Bytes from the Ethernet header on.</summary>
    public int Length { get; set; }

    public int IngressPort { get; init; }

    public VirtioNetHeader Offload { get; set; }

    /// <summary>What the outer headers said that it came behind; they are gone.</summary>
    public TunnelNote Tunnel { get; set; }

    public Verdict Verdict { get; set; }

    /// <summary>Where it leaves, when the verdict is to transmit.</summary>
    public int EgressPort { get; set; }

    /// <summary>Why it ends here, when the verdict is to drop it.</summary>
    public DropReason Reason { get; set; }

    /// <summary>Second number of the reason, 0 when it has none.</summary>
    public byte ReasonDetail { get; set; }

    /// <summary>Where it stands on its way to the worker of its flow. Means nothing where there is one worker.</summary>
    public SteeringNote Note { get; set; }

    /// <summary>What the stages made of it.</summary>
    public void Take(in PacketContext p, Verdict verdict)
    {
        Verdict = verdict;
        Start = p.FrameStart;
        Length = p.FrameLength;
        Offload = p.Offload;
        EgressPort = p.EgressPort;
        Reason = p.Reason;
        ReasonDetail = p.ReasonDetail;
    }
}
