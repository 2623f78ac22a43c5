using System.Collections.Concurrent;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The thread that forwards: waits until frames wait on a TAP, takes them through the pipeline a burst at a time and sends what comes
/// out. Owns the flow state and the ports. Other threads ask it by <see cref="Invoke"/>, which it serves between two bursts.
/// </summary>
public sealed class Worker : IDisposable
{
    /// <summary>Requests served before the ports get their turn: those who list large tables ask again at once.</summary>
    private const int RequestCount = 8;

    /// <summary>How long the worker sleeps while flows can expire and neighbours can fail, and while nothing can.</summary>
    private const int TickMilliseconds = 100;

    private const int IdleMilliseconds = 1000;

    /// <summary>Of what somebody wants done: it waits, is being done or done, or will not be done any more.</summary>
    private const int Waiting = 0;

    private const int Begun = 1;
    private const int GivenUp = 2;

    /// <summary>One burst in so many is timed; a power of two.</summary>
    private const int SampleInterval = 64;

    private readonly PacketPipeline _pipeline;
    private readonly LiveTables _live;
    private readonly Housekeeping _housekeeping;
    private readonly PortEngine _engine;
    private readonly WorkerLinks? _siblings;
    private readonly SpinPolicy _spin;
    private readonly Coalescer _coalescer = new();
    private readonly ConcurrentQueue<Action> _requests = new();
    private readonly Thread _thread;
    private readonly Action<Exception> _onFault;
    private FlowTap? _tap; // null while nobody listens
    private Snapshot _snapshot;
    private CaptureTap[]? _captures; // Changed by the worker's own thread; null while nobody captures.
    private uint _burstCount;
    private bool _stopping;
    private long _allocatedBytes;
    private long _turnCount; // written by the worker's own thread alone

    /// <param name="engine">Owned by the worker from now on.</param>
    /// <param name="steering">Null where there is one worker.</param>
    /// <param name="number">Among the workers of the process, from 0.</param>
    /// <param name="onFault">Called on the worker's thread when it dies of an exception; should end the process.</param>
    public Worker(LiveTables live, Snapshot snapshot, PortEngine engine, SpinPolicy spin, Action<Exception> onFault, FlowSteering? steering = null, int number = 0)
    {
        Name = $"worker-{number}";
        _engine = engine;
        _siblings = engine.Siblings;
        engine.NewFlows = live.Conntrack.Gate;
        _spin = spin;
        _live = live;
        _pipeline = new PacketPipeline(live, steering);
        if (steering is not null)
        {
            steering.Outlet = engine.Siblings!.HandOver;
        }

        _housekeeping = new Housekeeping(live);
        _snapshot = snapshot;
        TellPorts(snapshot);
        _onFault = onFault;
        _thread = new Thread(Run) { Name = Name, IsBackground = true };
    }

    /// <summary>worker-0 and so on.</summary>
    public string Name { get; }

    /// <summary>The tables and counters of this worker; others may read single figures, the rest by <see cref="Invoke"/>.</summary>
    public LiveTables Live => _live;

    /// <summary>Bytes that the thread has allocated on the managed heap since it started: constant while it forwards.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocatedBytes);

    /// <summary>Turns of the loop so far: more at least every second, also without traffic, while the worker is well.</summary>
    public long TurnCount => Volatile.Read(ref _turnCount);

    /// <summary>The kernel's number of the thread, as in /proc/self/task; 0 before it runs.</summary>
    public int ThreadId { get; private set; }

    /// <summary>Whether the thread runs and nobody has told it to end.</summary>
    public bool IsRunning => _thread.IsAlive && !Volatile.Read(ref _stopping);

    /// <summary>What the watchdog says of it; null while nobody watches.</summary>
    public WorkerPulse? Pulse { get; set; }

    /// <summary>As the option says it: io_uring or readiness.</summary>
    public string EngineName => _engine.Name;

    internal PortEngine Engine => _engine;

    public void Start() => _thread.Start();

    /// <summary>Runs an action on the worker's thread between two bursts and returns when it is done. Not for the worker itself.</summary>
    /// <param name="patience">Null to wait as long as it takes. An action that has not begun by then never does.</param>
    /// <exception cref="ObjectDisposedException">The worker has stopped.</exception>
    /// <exception cref="TimeoutException">The worker did not come to it in time.</exception>
    public void Invoke(Action action, TimeSpan? patience = null)
    {
        using var done = new ManualResetEventSlim();
        long start = Environment.TickCount64;
        Exception? failure = null;
        int state = Waiting;
        _requests.Enqueue(() =>
        {
            if (Interlocked.CompareExchange(ref state, Begun, Waiting) != Waiting)
            {
                return;
            }

            try
            {
                action();
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failure = e; // The one who asked gets it; the worker goes on.
            }

            done.Set();
        });
        _engine.Wake();
        while (!done.Wait(patience is { } most ? (int)Math.Min(IdleMilliseconds, most.TotalMilliseconds) : IdleMilliseconds))
        {
            ObjectDisposedException.ThrowIf(!_thread.IsAlive, this);
            if (Environment.TickCount64 - start >= patience?.TotalMilliseconds && Interlocked.CompareExchange(ref state, GivenUp, Waiting) == Waiting)
            {
                throw new TimeoutException($"{Name} did not turn for {patience.Value.TotalSeconds:0.#} s");
            }
        }

        if (failure is not null)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    /// <summary>Changes the configuration and the ports between two bursts, so that no packet meets half of the change.</summary>
    /// <param name="detach">Ids whose ports end.</param>
    /// <param name="attach">Ports that begin to be served; the worker closes them in the end.</param>
    /// <returns>The ports that are served no longer: the caller closes them, for which the kernel takes some 16 ms.</returns>
    public IReadOnlyList<TapPort> Reconfigure(Snapshot snapshot, IReadOnlyList<int> detach, IReadOnlyList<(int Id, TapPort Port)> attach)
    {
        List<TapPort> detached = [];
        Invoke(() =>
        {
            foreach (int id in detach)
            {
                if (_engine.Detach(id) is { } port)
                {
                    detached.Add(port);
                }
            }

            Volatile.Write(ref _snapshot, snapshot);
            TellPorts(snapshot);
            foreach ((int id, TapPort port) in attach)
            {
                _engine.Attach(id, port);
            }
        });
        return detached;
    }

    /// <summary>From now on these captures see what passes; none when there are none.</summary>
    public void SetCaptures(IReadOnlyList<CaptureTap> taps)
    {
        CaptureTap[]? next = taps.Count == 0 ? null : [.. taps];
        Invoke(() => _captures = next);
    }

    /// <summary>Whether the port is served; false for one whose device has gone.</summary>
    public bool IsAttached(int id) => _engine.Served(id) is not null;

    /// <summary>The namespace that the port's device was made in, 0 for a port that is not served.</summary>
    public ulong NamespaceInodeOf(int id) => _engine.Served(id)?.NamespaceInode ?? 0;

    /// <summary>Stops the thread, which closes its ports; what other workers may still look at stays until <see cref="Dispose"/>.</summary>
    public void Stop()
    {
        Volatile.Write(ref _stopping, true);
        _engine.Wake();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    public void Dispose()
    {
        Stop();
        _engine.Dispose();
    }

    /// <summary>Begins to tell of packets, or ends it with null. When it returns, the tap before is used no more.</summary>
    /// <param name="detail">The most that any listener wants.</param>
    internal void Listen(FlowTap? tap, FlowDetail detail) => Invoke(() =>
    {
        if (tap is not null)
        {
            tap.Events.Detail = detail;
        }

        _tap = tap;
        _live.Counters.Events = tap?.Events;
        _live.Shortcuts.Enable(detail != FlowDetail.EveryPacket);
    });

    private void TellPorts(Snapshot snapshot)
    {
        if (_siblings is not null)
        {
            _siblings.Ports = snapshot.Ports;
        }
    }

    private static MonoTime Now() => new(MonotonicClock.Nanoseconds);

    private void Run()
    {
        try
        {
            ThreadId = KernelThread.OwnId;
            _engine.Start();
            while (!Volatile.Read(ref _stopping))
            {
                RunOnce();
            }

            _engine.DetachAll();
        }
        catch (Exception e)
        {
            _onFault(e);
        }
    }

    private void RunOnce()
    {
        Volatile.Write(ref _turnCount, _turnCount + 1);
        for (int i = 0; i < RequestCount && _requests.TryDequeue(out Action? request); i++)
        {
            request();
        }

        int timeout = !_requests.IsEmpty ? 0 : _live.Conntrack.Count > 0 || _live.Neighbors.Count > 0 ? TickMilliseconds : IdleMilliseconds;
        _engine.Receive(timeout, _spin);
        MonoTime now = Now();
        Snapshot snapshot = Volatile.Read(ref _snapshot);
        _tap?.Begin();
        Forward(_engine.Burst, snapshot, now);
        if (_engine.Burst.Count > 0 && (++_burstCount & (SampleInterval - 1)) == 0)
        {
            _live.Counters.Times.Add(MonotonicClock.Nanoseconds - now.Nanoseconds, _engine.Burst.Count);
        }

        if (_siblings is not null)
        {
            ExchangeNews(_siblings, now);
        }

        if (_housekeeping.IsDue(now))
        {
            _housekeeping.Run(snapshot, now);
            FlushOutbox();
            Interlocked.Exchange(ref _allocatedBytes, GC.GetAllocatedBytesForCurrentThread());
        }

        while (_engine.TryTakeGone(out int id))
        {
            Abandon(id);
        }

        _tap?.Publish();
    }

    private void Forward(Burst burst, Snapshot snapshot, MonoTime now)
    {
        Decapsulation.Run(burst, snapshot);
        if (burst.Count > 1)
        {
            _coalescer.Run(burst);
        }

        CaptureTap[]? captures = _captures;
        if (captures is not null)
        {
            Note(captures, burst);
        }

        int completed = 0;
        while (completed < burst.Count)
        {
            int end = _pipeline.ProcessBurst(burst, completed, snapshot, now);
            if (captures is not null)
            {
                Capture(captures, burst, completed, end, now);
            }

            while (completed < end)
            {
                _engine.Complete(burst.Frames[completed++]);
            }

            do
            {
                FlushOutbox();
            }
            while (_pipeline.ProcessReleased(snapshot, now));
        }
    }

    /// <summary>What one worker learns of a neighbour all know; what waited for it here can leave.</summary>
    private void ExchangeNews(WorkerLinks siblings, MonoTime now)
    {
        siblings.Tell(_live.Neighbors.News);
        _live.Neighbors.ClearNews();
        while (siblings.TryTakeNews(out NeighborNews news))
        {
            _live.Neighbors.Take(news, now);
            FlushOutbox();
        }
    }

    private static void Note(CaptureTap[] taps, Burst burst)
    {
        foreach (CaptureTap tap in taps)
        {
            tap.Note(burst);
        }
    }

    private static void Capture(CaptureTap[] taps, Burst burst, int from, int end, MonoTime now)
    {
        foreach (CaptureTap tap in taps)
        {
            tap.Take(burst, from, end, now);
        }
    }

    private static void Capture(CaptureTap[] taps, int port, Span<byte> frame)
    {
        MonoTime now = Now();
        foreach (CaptureTap tap in taps)
        {
            tap.Sent(port, frame, now);
        }
    }

    private void FlushOutbox()
    {
        while (_live.Outbox.TryTake(out int port, out Span<byte> frame))
        {
            if (_captures is not null)
            {
                Capture(_captures, port, frame);
            }

            _engine.Transmit(port, frame);
        }
    }

    /// <summary>The device has gone: the port goes down, its file is closed elsewhere since that takes long.</summary>
    private void Abandon(int id)
    {
        if (_engine.Detach(id) is { } port)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static p => p.Dispose(), port, preferLocal: false);
        }
    }
}
