namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// One packet's way through the pipeline. Verdict is transmit, drop, held or consumed; Summary says in one sentence what became of the packet, and
/// of a drop why; Advice what to do about it. Remarks name what is allowed and seldom meant. Frames are hexadecimal, from the Ethernet header on.
/// </summary>
public sealed record PacketTrace(string In, string Packet, string ReceivedFrame, int Worker, IReadOnlyList<TraceStep> Steps, string Verdict, string Summary)
{
    /// <summary>Of a drop: its words and its number, as <c>counters</c> has them.</summary>
    public string? Reason { get; init; }

    public int? ReasonNumber { get; init; }

    /// <summary>Second number of the reason.</summary>
    public int? ReasonDetail { get; init; }

    public string? Advice { get; init; }

    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Name of the port by which it leaves.</summary>
    public string? Out { get; init; }

    /// <summary>What leaves, in words.</summary>
    public string? LeavingPacket { get; init; }

    public string? LeavingFrame { get; init; }

    /// <summary>The pod that gets it, where it leaves to one.</summary>
    public string? Pod { get; init; }

    /// <summary>Whose MAC address it gets, where it leaves to the node network.</summary>
    public string? NextHop { get; init; }

    /// <summary>Which node of the mesh that is: east/east-worker.</summary>
    public string? NextNode { get; init; }

    /// <summary>Frames that leave beside it, in words: questions for neighbours, ICMP answers.</summary>
    public IReadOnlyList<string> Beside { get; init; } = [];
}
