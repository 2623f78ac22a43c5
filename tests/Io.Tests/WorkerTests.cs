using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>The worker's thread between its ports, its tables and those who ask it.</summary>
public sealed class WorkerTests
{
    private const int Capacity = 4 * 1024;

    /// <summary>Far more than the worker needs for its rounds, whose least distance is 10 ms.</summary>
    private const int RequestCount = 20_000;

    /// <summary>Two askers, of whom one always waits in the queue while the other's request runs: the queue is never empty.</summary>
    [Fact]
    public void Those_who_always_ask_do_not_keep_it_from_its_work()
    {
        var live = new LiveTables(Capacity, 1024, seed: 1);
        for (int i = 0; i < Capacity; i++)
        {
            live.Conntrack.Create(new FlowKey(new IpAddress(1, (ulong)i), default, 1, 2, IpProtocol.Udp)); // Dead from birth: housekeeping takes it away.
        }

        using var worker = new Worker(live, Empty(), PortEngine.Open(EngineKind.Automatic, live.Counters), new SpinPolicy(0), e => Assert.Fail(e.ToString()));
        worker.Start();
        var askers = new Asker[2];
        askers[0] = new Asker(worker, () => askers[1]);
        askers[1] = new Asker(worker, () => askers[0]);
        Array.ForEach(askers, asker => asker.Start());
        try
        {
            // Requests are served in their order, so this one is too; the rounds of housekeeping are what the askers could prevent.
            int count = Capacity;
            for (int i = 0; i < RequestCount && count > 0; i++)
            {
                worker.Invoke(() => count = live.Conntrack.Count);
            }

            Assert.Equal(0, count);
        }
        finally
        {
            Array.ForEach(askers, asker => asker.Stop());
        }
    }

    internal static Snapshot Empty()
    {
        PrefixMap none = new PrefixTable().Publish();
        var masquerade = new MasqueradeRules(false, default, default, none, none, none, 32768, 65535);
        return new Snapshot(1, new Port[2], -1, new RouteTable(none, []), ServiceTable.Empty, masquerade, new IpcacheTable(none, [], isDualStack: false));
    }

    private sealed class Asker
    {
        private readonly Thread _thread;
        private readonly Worker _worker;
        private readonly Func<Asker> _other;
        private int _askedCount;
        private int _servedCount;
        private bool _isStopping;

        public Asker(Worker worker, Func<Asker> other)
        {
            _worker = worker;
            _other = other;
            _thread = new Thread(Run) { IsBackground = true };
        }

        public void Start() => _thread.Start();

        public void Stop()
        {
            Volatile.Write(ref _isStopping, true);
            _thread.Join();
        }

        private void Run()
        {
            while (!Volatile.Read(ref _isStopping))
            {
                Interlocked.Increment(ref _askedCount);
                _worker.Invoke(() =>
                {
                    Interlocked.Increment(ref _servedCount);
                    SpinWait.SpinUntil(() => _other().IsWaiting() || Volatile.Read(ref _isStopping));
                });
            }
        }

        /// <summary>Its request lies in the queue: it has asked more often than it was served, and sleeps.</summary>
        private bool IsWaiting() =>
            Volatile.Read(ref _isStopping)
            || (Volatile.Read(ref _askedCount) > Volatile.Read(ref _servedCount) && (_thread.ThreadState & ThreadState.WaitSleepJoin) != 0);
    }
}
