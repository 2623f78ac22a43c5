using System.Diagnostics;
using System.Runtime;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Keeps collections short while packets pass. The worker allocates nothing, but every collection stops it: one of the whole heap for
/// 40 ms with 10,000 services. Hence small first generations (Gen0MaxBudget of the project file: under a millisecond each), no collection
/// of the whole heap by the runtime's choice, and here the choice instead: when no packet has come for a second, when too much has
/// been thrown away to wait for that, or when the last one was short and so long ago that no percentile of the latency shows it.
/// </summary>
internal sealed class QuietCollector : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>Bytes grown since the last collection of the whole heap that are worth one when nobody waits: little, so that the process stays as large as it is.</summary>
    private const long WorthIt = 2 << 20;

    /// <summary>Bytes grown that are too much even under traffic, unless more is alive than that.</summary>
    private const long TooMuch = 128 << 20;

    /// <summary>A collection of the whole heap that took no longer is made under traffic, too. With few services it takes 3 to 8 ms.</summary>
    private static readonly TimeSpan s_shortPause = TimeSpan.FromMilliseconds(10);

    /// <summary>So many times its pause lie between two under traffic: they meet one packet in ten thousand.</summary>
    private const int LeastDistance = 10_000;

    /// <summary>Bytes grown behind which the last pause foretells nothing: what a large change brought may all be alive.</summary>
    private const long Unforeseen = 32 << 20;

    private readonly Func<ulong> _packetCount;
    private readonly Timer _timer;
    private ulong _seenPackets;
    private long _aliveBytes;
    private TimeSpan? _pause;
    private long _collectedAt = Stopwatch.GetTimestamp();

    /// <param name="packetCount">Packets that came in so far; may be read on any thread.</param>
    public QuietCollector(Func<ulong> packetCount)
    {
        _packetCount = packetCount;
        GCSettings.LatencyMode = GCLatencyMode.LowLatency;
        _timer = new Timer(_ => Look(), null, s_interval, s_interval);
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Whether a heap of this size, of which so much was alive at the last full collection, is collected now.</summary>
    /// <param name="pause">How long that collection took; null when there was none.</param>
    /// <param name="since">How long ago it was.</param>
    internal static bool IsDue(long heapBytes, long aliveBytes, bool isQuiet, TimeSpan? pause = null, TimeSpan since = default)
    {
        long grown = heapBytes - aliveBytes;
        bool isShort = pause <= s_shortPause && since >= pause * LeastDistance && grown <= Unforeseen;
        return grown > Math.Max(TooMuch, aliveBytes) || ((isQuiet || isShort) && grown > WorthIt);
    }

    private void Look()
    {
        ulong packets = _packetCount();
        bool isQuiet = packets == _seenPackets;
        _seenPackets = packets;
        if (IsDue(GC.GetTotalMemory(forceFullCollection: false), _aliveBytes, isQuiet, _pause, Stopwatch.GetElapsedTime(_collectedAt)))
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
            Remember();
        }
        else if (_aliveBytes == 0 && GC.CollectionCount(GC.MaxGeneration) > 0)
        {
            // Busy from its beginning on, as one that takes over is: what is there now is what it needs.
            Remember();
        }
    }

    private void Remember()
    {
        _aliveBytes = GC.GetTotalMemory(forceFullCollection: false);
        _pause = GC.GetGCMemoryInfo(GCKind.FullBlocking).PauseDurations[0];
        _collectedAt = Stopwatch.GetTimestamp();
    }
}
