namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Whether a worker that has nothing to do looks again and again before it sleeps. Being woken costs tens of microseconds, looking costs a
/// processor; so it spins only while frames come in shorter gaps than the limit, and never longer than the limit. Other threads that are
/// ready to run go first.
/// </summary>
public sealed class SpinPolicy
{
    private readonly long _limit;
    private long _lastGap;
    private long _start;

    /// <param name="limitMicroseconds">0 never spins.</param>
    public SpinPolicy(int limitMicroseconds)
    {
        _limit = limitMicroseconds * 1000L;
        _lastGap = _limit;
    }

    public bool IsOn => _limit > 0;

    /// <summary>The last gap between two bursts was one that spinning would have spanned.</summary>
    public bool IsWorthwhile => _lastGap < _limit;

    /// <summary>There is nothing to do from now on.</summary>
    public void BeginGap() => _start = MonotonicClock.Nanoseconds;

    /// <summary>The gap is over.</summary>
    /// <param name="hasFrames">False when the worker woke for something else, which says nothing about frames.</param>
    public void EndGap(bool hasFrames) => _lastGap = hasFrames ? MonotonicClock.Nanoseconds - _start : _limit;

    /// <summary>One turn of the spinning; false when the limit is reached.</summary>
    public bool TryContinue()
    {
        Thread.Yield();
        return MonotonicClock.Nanoseconds - _start < _limit;
    }
}
