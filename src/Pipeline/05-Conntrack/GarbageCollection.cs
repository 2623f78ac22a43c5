namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// When dead flows and their SNAT mappings are removed: in rounds over the whole tables, a slice at a time, with pauses that adapt to how much a
/// round finds, as Cilium's agent does (ctmap.GetInterval). Tables that run short of room are swept at once. One owner: the worker.
/// </summary>
public sealed class GarbageCollection(ConntrackTable conntrack, SnatTable snat)
{
    /// <summary>Pause before the first round, and its bounds (defaults.ConntrackGC*Interval).</summary>
    public const int FirstSeconds = 300;

    public const int LeastSeconds = 10;
    public const int MostSeconds = 12 * 3600;

    /// <summary>A round that removes more than this part of the entries comes sooner the next time; one that removes less than the other comes later.</summary>
    private const double ManyRatio = 0.25;

    private const double FewRatio = 0.05;
    private const double LargestRatio = 0.9;
    private const double Longer = 1.5;

    /// <summary>Entries of each table at a time: at most some 0.2 ms, when all of them are dead.</summary>
    private const int SliceLength = 1024;

    private MonoTime _nextRound;
    private int _conntrackLeft;
    private int _snatLeft;
    private int _countBefore;
    private int _removed;

    /// <summary>Pause between the rounds now.</summary>
    public double IntervalSeconds { get; private set; } = FirstSeconds;

    /// <summary>Rounds that were finished.</summary>
    public ulong RunCount { get; private set; }

    private bool IsRunning => _conntrackLeft > 0 || _snatLeft > 0;

    /// <summary>Goes on with a round, or begins one that is due.</summary>
    public void Step(MonoTime now)
    {
        if (!IsRunning && !TryBegin(now))
        {
            return;
        }

        int length = Math.Min(SliceLength, _conntrackLeft);
        _removed += conntrack.Sweep(length, now);
        _conntrackLeft -= length;
        length = Math.Min(SliceLength, _snatLeft);
        snat.Sweep(length, conntrack, now);
        _snatLeft -= length;
        if (!IsRunning)
        {
            Finish(now);
        }
    }

    private bool TryBegin(MonoTime now)
    {
        if (_nextRound == default)
        {
            _nextRound = now.PlusSeconds(IntervalSeconds);
        }

        bool isShort = conntrack.TakeSweepWanted() | snat.TakeSweepWanted() || IsNearlyFull(conntrack.Count, conntrack.Capacity) || IsNearlyFull(snat.Count, snat.Capacity);
        if (conntrack.Count + snat.Count == 0 || (!isShort && now.Nanoseconds < _nextRound.Nanoseconds))
        {
            return false;
        }

        _conntrackLeft = conntrack.Capacity;
        _snatLeft = snat.Capacity;
        _countBefore = conntrack.Count;
        _removed = 0;
        return true;
    }

    private void Finish(MonoTime now)
    {
        double ratio = _countBefore == 0 ? 0 : Math.Min((double)_removed / _countBefore, LargestRatio);
        if (ratio > ManyRatio)
        {
            IntervalSeconds = Math.Max(LeastSeconds, Math.Round(IntervalSeconds * (1 - ratio)));
        }
        else if (ratio is > 0 and < FewRatio)
        {
            IntervalSeconds = Math.Min(MostSeconds, Math.Round(IntervalSeconds * Longer));
        }

        _nextRound = now.PlusSeconds(IntervalSeconds);
        RunCount++;
    }

    private static bool IsNearlyFull(int count, int capacity) => count > capacity / 4 * 3;
}
