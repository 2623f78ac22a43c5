using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// How long packets take from the device to the device, by sampling whole bursts: each of a burst's packets counts with its share of the burst's time.
/// Written by the worker alone; anyone may read.
/// </summary>
public sealed class ProcessingTimes
{
    /// <summary>Upper bound of the first bucket in nanoseconds; each further one is twice the one before.</summary>
    public const long FirstBound = 32;

    /// <summary>Buckets with a bound; one more has none.</summary>
    public const int BoundCount = 20;

    private readonly ulong[] _counts = new ulong[BoundCount + 1];

    /// <summary>Of all sampled packets together.</summary>
    public ulong SumNanoseconds { get; private set; }

    /// <summary>Sampled packets whose time fell into a bucket and not into one before.</summary>
    public ulong CountOf(int bucket) => _counts[bucket];

    public static long BoundOf(int bucket) => FirstBound << bucket;

    public void Add(long nanoseconds, int packetCount)
    {
        ulong share = (ulong)Math.Max(1, nanoseconds) / (ulong)packetCount;
        int bucket = share <= FirstBound ? 0 : Math.Min(BoundCount, BitOperations.Log2((share - 1) / (ulong)FirstBound) + 1);
        _counts[bucket] += (ulong)packetCount;
        SumNanoseconds += (ulong)Math.Max(1, nanoseconds);
    }
}
