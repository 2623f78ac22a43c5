using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>What became of a frame that a <see cref="TestNode"/> got.</summary>
/// <param name="Port">Name of the port by which it left; null when it did not.</param>
/// <param name="Frame">The frame that left; empty when none did.</param>
/// <param name="Outbox">Frames that left beside it, in order.</param>
public sealed record Delivery(
    Verdict Verdict, DropReason Reason, byte Detail, string? Port, byte[] Frame, VirtioNetHeader Offload, IReadOnlyList<OutboxFrame> Outbox)
{
    public override string ToString() => Verdict switch
    {
        Verdict.Drop => $"dropped: {Reason} {Detail}",
        Verdict.Transmit => $"left by {Port}: {FrameText.Line(Frame)}",
        _ => Verdict.ToString(),
    };
}
