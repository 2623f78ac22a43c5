using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// The workers of a <see cref="TestNode"/> without their threads: each frame comes in at one that the dice choose, and one that is handed over is
/// taken on at once where it goes. One worker gets its frames in bursts, as they are.
/// </summary>
internal sealed class TestWorkers
{
    /// <summary>Received, fragments, first, second, third, settled.</summary>
    private const int MostStations = 6;

    private readonly PacketPipeline[] _pipelines;
    private readonly Housekeeping[] _housekeepings;
    private readonly KnownBackends _backends = new(seed: 5);
    private readonly FlowRandom _queues;
    private readonly Queue<(BurstFrame Frame, byte[] Bytes)> _copied = [];

    public TestWorkers(int count, IReadOnlyList<IpPrefix> pods, ushort firstSharedPort, Func<FlowHomes?, int, LiveTables> tablesOf, ulong seed)
    {
        FlowHomes? homes = count > 1 ? new FlowHomes(count, pods, firstSharedPort, ~seed) : null;
        Homes = homes;
        _queues = new FlowRandom(seed + 77);
        Live = [.. Enumerable.Range(0, count).Select(i => tablesOf(homes, i))];
        _pipelines = [.. Live.Select((live, i) => new PacketPipeline(live, homes is null ? null : Steering(i, homes, live)))];
        _housekeepings = [.. Live.Select(live => new Housekeeping(live))];
    }

    public LiveTables[] Live { get; }

    /// <summary>Null where there is one worker.</summary>
    public FlowHomes? Homes { get; }

    public KnownBackends Backends => _backends;

    /// <summary>Who took the last frame through the stages.</summary>
    public int Last { get; private set; }

    public void Learn(IReadOnlyList<ServiceSpec> services)
    {
        foreach (ServiceSpec service in services)
        {
            foreach (BackendSpec backend in service.Backends)
            {
                _backends.Add(backend.Address, backend.Port, service.Protocol, service.AffinitySeconds > 0);
            }
        }
    }

    /// <summary>What their tables hold.</summary>
    public FormerFlows Read() => new(
        [.. Live.SelectMany(l => l.Conntrack.Entries.ToArray()).Where(e => (e.Flags & ConntrackFlags.Used) != 0)],
        [.. Live.SelectMany(l => Enumerable.Range(0, l.Snat.Capacity).Select(i => l.Snat[i])).Where(e => e.IsUsed)],
        [.. Live.SelectMany(l => Enumerable.Range(0, l.Affinities.Capacity).Select(i => l.Affinities[i])).Where(e => e.Frontend != 0)],
        []);

    /// <summary>As <see cref="PacketPipeline.ProcessBurst"/>; several workers take one frame a time.</summary>
    public int Process(Burst burst, int from, Snapshot s, MonoTime now)
    {
        if (Live.Length == 1)
        {
            return _pipelines[0].ProcessBurst(burst, from, s, now);
        }

        burst.Frames[from] = Process(burst, burst.Frames[from], (int)_queues.Below((uint)Live.Length), s, now);
        return from + 1;
    }

    /// <summary>As <see cref="PacketPipeline.ProcessReleased"/>, of any worker; what another worker takes on leaves by that one's outbox.</summary>
    public bool ProcessReleased(Snapshot s, MonoTime now)
    {
        bool isDone = _pipelines.Aggregate(false, (any, pipeline) => any | pipeline.ProcessReleased(s, now));
        while (_copied.TryDequeue(out (BurstFrame Frame, byte[] Bytes) copied))
        {
            var memory = new ArrayFrames(1);
            copied.Bytes.CopyTo(memory.BufferOf(0)[PacketContext.Headroom..]);
            BurstFrame left = Process(new Burst(memory), copied.Frame with { Buffer = 0, Start = PacketContext.Headroom }, copied.Frame.Note.Worker, s, now);
            if (left.Verdict == Verdict.Transmit)
            {
                var p = new PacketContext(memory.BufferOf(0), left.Start, left.Length, left.Offload, left.IngressPort) { EgressPort = left.EgressPort };
                Live[Last].Outbox.TryAdd(p);
            }
        }

        return isDone;
    }

    public void KeepHouse(Snapshot s, MonoTime now)
    {
        foreach (Housekeeping housekeeping in _housekeepings)
        {
            housekeeping.Run(s, now);
        }
    }

    private FlowSteering Steering(int worker, FlowHomes homes, LiveTables live) => new(worker, homes, _backends, live)
    {
        Outlet = (in BurstFrame frame, ReadOnlySpan<byte> bytes) => _copied.Enqueue((frame, bytes.ToArray())),
    };

    private BurstFrame Process(Burst burst, BurstFrame frame, int worker, Snapshot s, MonoTime now)
    {
        var alone = new Burst(new BuffersOf(burst));
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
                return frame;
            }

            if (station == MostStations || frame.Note.Worker == worker)
            {
                throw new InvalidOperationException($"a frame goes round: worker {worker} hands it to {frame.Note}");
            }

            worker = frame.Note.Worker;
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
