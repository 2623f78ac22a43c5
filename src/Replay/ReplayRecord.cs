using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Replay;

/// <summary>One thing that happened in a replay.</summary>
/// <param name="Time">Nanoseconds since 1970-01-01T00:00:00Z, on the input's clock; never goes back.</param>
public sealed record ReplayRecord(ReplayEvent Event, long Time)
{
    /// <summary>Number of the frame in the whole replay, from 1; 0 for frames that the input does not have.</summary>
    public int Packet { get; init; }

    /// <summary>Number of the frame in its file, from 1; 0 when it comes from none.</summary>
    public int Number { get; init; }

    /// <summary>The port it entered by; null for what the datapath sent itself.</summary>
    public string? In { get; init; }

    /// <summary>The port it left by, or waits at; null for what stays here.</summary>
    public string? Out { get; init; }

    public Verdict Verdict { get; init; }

    public DropReason Reason { get; init; }

    /// <summary>Second number of the reason, 0 when it has none.</summary>
    public byte ReasonDetail { get; init; }

    /// <summary>The frame as it came; null when too short to say.</summary>
    public FrameTuple? Before { get; init; }

    /// <summary>The frame as it left or will leave.</summary>
    public FrameTuple? After { get; init; }

    /// <summary>Null for a packet that never came to conntrack.</summary>
    public ConntrackStatus? Status { get; init; }

    /// <summary>Bytes of the frame: as it came, or as it left when it did not come now.</summary>
    public int Length { get; init; }

    /// <summary>What is still to be done with <see cref="Sent"/>: a packet longer than the MTU leaves in fragments.</summary>
    public VirtioNetHeader Offload { get; init; }

    /// <summary>The frame that left by <see cref="Out"/> now; empty when none did.</summary>
    public ReadOnlyMemory<byte> Sent { get; init; }
}
