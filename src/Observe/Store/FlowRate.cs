namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>Events a second over the last minute, from one counter a second. Guarded by its owner's lock.</summary>
internal sealed class FlowRate
{
    private const int Seconds = 60;

    private readonly ulong[] _counts = new ulong[Seconds];
    private readonly long _start;
    private long _newest;

    public FlowRate(long startSecond)
    {
        _start = startSecond;
        _newest = startSecond;
    }

    public void Add(long second, ulong count)
    {
        Forget(second);
        _counts[_newest % Seconds] += count;
    }

    public double At(long second)
    {
        Forget(second);
        ulong sum = 0;
        foreach (ulong count in _counts)
        {
            sum += count;
        }

        return sum / (double)Math.Clamp(_newest - _start + 1, 1, Seconds);
    }

    // A clock that goes back counts into the newest second.
    private void Forget(long second)
    {
        for (long next = Math.Max(_newest + 1, second - Seconds + 1); next <= second; next++)
        {
            _counts[next % Seconds] = 0;
        }

        _newest = Math.Max(_newest, second);
    }
}
