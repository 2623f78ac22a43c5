using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// The workers of a <see cref="TestNode"/> without their threads: each frame comes in at one that the dice choose, and one that is handed over is
/// taken on at once where it goes. One worker gets its frames in bursts, as they are.
/// </summary>
internal sealed class TestWorkers
{
    /// <summary>Received, fragments, first, second, settled.</summary>
    private const int MostStations = 5;

    private readonly PacketPipeline[] _pipelines;
    private readonly Housekeeping[] _housekeepings;
    private readonly KnownBackends _backends = new(seed: 5);
    private readonly FlowRandom _queues;

    public TestWorkers(int count, ushort firstSharedPort, int conntrackCapacity, int snatCapacity, ulong seed, bool hasShortcut)
    {
        FlowHomes? homes = count > 1 ? new FlowHomes(count, firstSharedPort, ~seed) : null;
        _queues = new FlowRandom(seed + 77);
        Live = [.. Enumerable.Range(0, count).Select(i => new LiveTables(conntrackCapacity, snatCapacity, seed + (ulong)i, hasShortcut, homes, i))];
        _pipelines = [.. Live.Select((live, i) => new PacketPipeline(live, homes is null ? null : new FlowSteering(i, homes, _backends, live)))];
        _housekeepings = [.. Live.Select(live => new Housekeeping(live))];
    }

    public LiveTables[] Live { get; }

    /// <summary>Who took the last frame through the stages.</summary>
    public int Last { get; private set; }

    public void Learn(IReadOnlyList<ServiceSpec> services)
    {
        foreach (ServiceSpec service in services)
        {
            foreach (BackendSpec backend in service.Backends)
            {
                _backends.Add(backend.Address, backend.Port, service.Protocol);
            }
        }
    }

    /// <summary>As <see cref="PacketPipeline.ProcessBurst"/>; several workers take one frame a time.</summary>
    public int Process(Burst burst, int from, Snapshot s, MonoTime now)
    {
        if (Live.Length == 1)
        {
            return _pipelines[0].ProcessBurst(burst, from, s, now);
        }

        ref BurstFrame frame = ref burst.Frames[from];
        var alone = new Burst(new BuffersOf(burst));
        int worker = (int)_queues.Below((uint)Live.Length);
        for (int station = 0; ; station++)
        {
            alone.Clear();
            alone.Add(frame with { Verdict = Verdict.Continue });
            _pipelines[worker].ProcessBurst(alone, 0, s, now);
            frame = alone.Frames[0];
            Spread(worker, now);
            if (frame.Verdict != Verdict.HandedOver)
            {
                Last = worker;
                return from + 1;
            }

            if (station == MostStations || frame.Note.Worker == worker)
            {
                throw new InvalidOperationException($"a frame goes round: worker {worker} hands it to {frame.Note}");
            }

            worker = frame.Note.Worker;
        }
    }

    public void KeepHouse(Snapshot s, MonoTime now)
    {
        foreach (Housekeeping housekeeping in _housekeepings)
        {
            housekeeping.Run(s, now);
        }
    }

    private void Spread(int worker, MonoTime now)
    {
        foreach (LiveTables other in Live)
        {
            foreach (NeighborNews news in other == Live[worker] ? [] : Live[worker].Neighbors.News)
            {
                other.Neighbors.Take(news, now);
            }
        }

        Live[worker].Neighbors.ClearNews();
    }

    /// <summary>The buffers of another burst.</summary>
    private sealed class BuffersOf(Burst burst) : FrameMemory
    {
        public override Span<byte> BufferOf(int number) => burst.BufferOf(number);
    }
}
