using System.Runtime;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Keeps collections short while packets pass. The worker allocates nothing, but every collection stops it: one of the whole heap for
/// 40 ms with 10,000 services. Hence small first generations (Gen0MaxBudget of the project file: under a millisecond each), no collection
/// of the whole heap by the runtime's choice, and here the choice instead: when no packet has come for a second, when too much has
/// been thrown away to wait for that, or when the last one was so short that nobody noticed and little has come since.
/// </summary>
internal sealed class QuietCollector : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>Bytes grown since the last collection of the whole heap that are worth one when nobody waits.</summary>
    private const long WorthIt = 8 << 20;

    /// <summary>Bytes grown that are too much even under traffic, unless more is alive than that.</summary>
    private const long TooMuch = 128 << 20;

    /// <summary>A collection of the whole heap that took no longer is made under traffic, too. With few services it takes some milliseconds.</summary>
    private static readonly TimeSpan s_shortPause = TimeSpan.FromMilliseconds(5);

    private readonly Func<ulong> _packetCount;
    private readonly Timer _timer;
    private ulong _seenPackets;
    private long _aliveBytes;
    private TimeSpan? _pause;

    /// <param name="packetCount">Packets that came in so far; may be read on any thread.</param>
    public QuietCollector(Func<ulong> packetCount)
    {
        _packetCount = packetCount;
        GCSettings.LatencyMode = GCLatencyMode.LowLatency;
        _timer = new Timer(_ => Look(), null, s_interval, s_interval);
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Whether a heap of this size, of which so much was alive at the last full collection, is collected now.</summary>
    /// <param name="pause">How long that collection took; null before the first. It foretells nothing when much has come since, which may all be alive.</param>
    internal static bool IsDue(long heapBytes, long aliveBytes, bool isQuiet, TimeSpan? pause = null)
    {
        long grown = heapBytes - aliveBytes;
        bool isShort = pause <= s_shortPause && grown <= 2 * WorthIt;
        return grown > Math.Max(TooMuch, aliveBytes) || ((isQuiet || isShort) && grown > WorthIt);
    }

    private void Look()
    {
        ulong packets = _packetCount();
        bool isQuiet = packets == _seenPackets;
        _seenPackets = packets;
        if (IsDue(GC.GetTotalMemory(forceFullCollection: false), _aliveBytes, isQuiet, _pause))
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
            _aliveBytes = GC.GetTotalMemory(forceFullCollection: false);
            _pause = GC.GetGCMemoryInfo(GCKind.FullBlocking).PauseDurations[0];
        }
    }
}
