using System.Runtime;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Keeps collections short while packets pass. The worker allocates nothing, but every collection stops it: one of the whole heap for
/// 40 ms with 10,000 services. Hence small first generations (Gen0MaxBudget of the project file: under a millisecond each), no collection
/// of the whole heap by the runtime's choice, and here the choice instead: when no packet has come for a second, or when too much has
/// been thrown away to wait for that.
/// </summary>
internal sealed class QuietCollector : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>Bytes grown since the last collection of the whole heap that are worth one when nobody waits.</summary>
    private const long WorthIt = 8 << 20;

    /// <summary>Bytes grown that are too much even under traffic, unless more is alive than that.</summary>
    private const long TooMuch = 128 << 20;

    private readonly Func<ulong> _packetCount;
    private readonly Timer _timer;
    private ulong _seenPackets;
    private long _aliveBytes;

    /// <param name="packetCount">Packets that came in so far; may be read on any thread.</param>
    public QuietCollector(Func<ulong> packetCount)
    {
        _packetCount = packetCount;
        GCSettings.LatencyMode = GCLatencyMode.LowLatency;
        _timer = new Timer(_ => Look(), null, s_interval, s_interval);
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Whether a heap of this size, of which so much was alive at the last full collection, is collected now.</summary>
    internal static bool IsDue(long heapBytes, long aliveBytes, bool isQuiet)
    {
        long grown = heapBytes - aliveBytes;
        return grown > Math.Max(TooMuch, aliveBytes) || (isQuiet && grown > WorthIt);
    }

    private void Look()
    {
        ulong packets = _packetCount();
        bool isQuiet = packets == _seenPackets;
        _seenPackets = packets;
        if (IsDue(GC.GetTotalMemory(forceFullCollection: false), _aliveBytes, isQuiet))
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
            _aliveBytes = GC.GetTotalMemory(forceFullCollection: false);
        }
    }
}
