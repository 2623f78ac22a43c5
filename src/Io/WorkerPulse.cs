namespace ClusterMesh.Datapath.Io;

/// <summary>What the watchdog knows of a worker. Written by the watchdog's thread, read by any.</summary>
public sealed class WorkerPulse
{
    private long _stuckMilliseconds;
    private long _stuckCount;

    /// <summary>How long it has not turned, once that is too long; 0 for a worker that is well.</summary>
    public long StuckMilliseconds
    {
        get => Interlocked.Read(ref _stuckMilliseconds);
        internal set => Interlocked.Exchange(ref _stuckMilliseconds, value);
    }

    /// <summary>How often it was stuck since the start.</summary>
    public long StuckCount
    {
        get => Interlocked.Read(ref _stuckCount);
        internal set => Interlocked.Exchange(ref _stuckCount, value);
    }
}
