namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// Parameters of <c>trace</c>: packets that are taken through the pipeline one after the other, on one copy of the flow state. Dice is a result's
/// <see cref="TraceResult.Dice"/>, to have chance decide once more as it did there.
/// </summary>
public sealed record TraceRequest(IReadOnlyList<TracePacket> Packets, string? Dice = null);
