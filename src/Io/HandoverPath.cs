using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>One direction between two workers of a process: frames that one lends the other, their buffers back, and what was learned of neighbours.</summary>
internal sealed class HandoverPath
{
    /// <summary>Frames that can be lent at once, super-packets or not; a power of two.</summary>
    public const int MaxLentCount = 512;

    private const int NewsCapacity = 256;

    /// <summary>Buffer numbers are the lender's.</summary>
    public HandoverQueue<BurstFrame> Frames { get; } = new(MaxLentCount);

    public HandoverQueue<int> Returns { get; } = new(MaxLentCount);

    public HandoverQueue<NeighborNews> News { get; } = new(NewsCapacity);

    /// <summary>Frames that are lent and not back; the lender's.</summary>
    public int LentCount { get; set; }
}
