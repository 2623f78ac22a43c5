namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Gives back to the kernel what the agent has thrown away. Left to itself the runtime collects the whole heap when it has grown by a third or so and keeps
/// the room, so that a process which needs the same all day grows for an hour. A collection takes some 15 ms with a few services, in which no packet waits.
/// </summary>
internal sealed class HeapKeeper : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);

    /// <summary>Between two collections, which give back what would be needed again a moment later.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(30);

    /// <summary>So many times its pause lie between two: a large mesh's agent is not stopped for more than a thousandth of its time.</summary>
    private const int LeastDistance = 1_000;

    /// <summary>Bytes grown that are worth one, unless a tenth of what is alive is more.</summary>
    private const long WorthIt = 1 << 20;

    private readonly Timer _timer;
    private readonly TimeProvider _time;
    private long _aliveBytes;
    private TimeSpan _pause;
    private long _collectedAt;

    public HeapKeeper(TimeProvider time)
    {
        _time = time;
        _collectedAt = time.GetTimestamp();
        _timer = new Timer(_ => Look(), null, s_interval, s_interval);
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Whether a heap of this size, of which so much was alive at the last full collection, is collected now.</summary>
    /// <param name="pause">How long that collection took.</param>
    /// <param name="since">How long ago it was.</param>
    internal static bool IsDue(long heapBytes, long aliveBytes, TimeSpan pause, TimeSpan since) =>
        heapBytes - aliveBytes > Math.Max(WorthIt, aliveBytes / 10) && since >= s_rest && since >= pause * LeastDistance;

    private void Look()
    {
        if (IsDue(GC.GetTotalMemory(forceFullCollection: false), _aliveBytes, _pause, _time.GetElapsedTime(_collectedAt)))
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _aliveBytes = GC.GetTotalMemory(forceFullCollection: false);
            _pause = GC.GetGCMemoryInfo(GCKind.FullBlocking).PauseDurations[0];
            _collectedAt = _time.GetTimestamp();
        }
    }
}
