using System.Diagnostics;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The watchdog: a thread that sees whether the workers turn. A worker turns at least every second, with traffic or without, so that one
/// that does not is stuck: in a system call, in an endless loop, or stopped by somebody. Each time is told once, and once when it is over.
/// A pause of the whole process (a stopped machine, a debugger, a long collection) stops the watchdog as well, and is nobody's fault.
/// </summary>
public sealed class WorkerWatch : IDisposable
{
    /// <summary>Below that a worker that has nothing to do would be taken for stuck.</summary>
    public static readonly TimeSpan ShortestLimit = TimeSpan.FromMilliseconds(1500);

    private const int LooksInLimit = 8;

    private readonly Watched[] _workers;
    private readonly TimeSpan _limit;
    private readonly TimeSpan _interval;
    private readonly Action<Worker, TimeSpan> _stuck;
    private readonly Action<Worker, TimeSpan> _over;
    private readonly Action<bool> _look;
    private readonly ManualResetEventSlim _stopping = new();
    private readonly Thread _thread;

    /// <param name="limit">A worker that has not turned for so long is stuck; at least <see cref="ShortestLimit"/>.</param>
    /// <param name="stuck">Told of a worker that is stuck, on the watchdog's thread, which looks on only when it returns.</param>
    /// <param name="over">Told of one that turns again, and how long it did not.</param>
    /// <param name="look">Told after each look whether all workers are well.</param>
    public WorkerWatch(IReadOnlyList<Worker> workers, TimeSpan limit, Action<Worker, TimeSpan> stuck, Action<Worker, TimeSpan> over, Action<bool> look)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, ShortestLimit);
        _workers = [.. workers.Select(w => new Watched(w))];
        _limit = limit;
        _interval = limit / LooksInLimit;
        _stuck = stuck;
        _over = over;
        _look = look;
        _thread = new Thread(Run) { Name = "watchdog", IsBackground = true };
        _thread.Start();
    }

    public void Dispose()
    {
        _stopping.Set();
        _thread.Join();
        _stopping.Dispose();
    }

    private void Run()
    {
        long before = Stopwatch.GetTimestamp();
        while (!_stopping.Wait(_interval))
        {
            // Of the time since the last look each worker is charged what was asked for: more is the whole process's pause.
            TimeSpan since = Stopwatch.GetElapsedTime(before);
            before = Stopwatch.GetTimestamp();
            TimeSpan charged = since < 2 * _interval ? since : _interval;
            bool areWell = true;
            foreach (Watched watched in _workers)
            {
                areWell &= Look(watched, charged);
            }

            _look(areWell);
        }
    }

    private bool Look(Watched watched, TimeSpan charged)
    {
        long turns = watched.Worker.TurnCount;
        if (turns != watched.SeenTurns || !watched.Worker.IsRunning)
        {
            (bool wasTold, TimeSpan silence) = (watched.IsTold, watched.Silence);
            watched.SeenTurns = turns;
            watched.Silence = TimeSpan.Zero;
            watched.IsTold = false;
            watched.Pulse.StuckMilliseconds = 0;
            if (wasTold)
            {
                _over(watched.Worker, silence); // Who is told finds it so.
            }

            return true;
        }

        watched.Silence += charged;
        if (watched.Silence < _limit)
        {
            return true;
        }

        watched.Pulse.StuckMilliseconds = (long)watched.Silence.TotalMilliseconds;
        if (!watched.IsTold)
        {
            watched.IsTold = true;
            watched.Pulse.StuckCount++;
            _stuck(watched.Worker, watched.Silence);
        }

        return false;
    }

    private sealed class Watched
    {
        public Watched(Worker worker)
        {
            Worker = worker;
            worker.Pulse = Pulse;
        }

        public Worker Worker { get; }

        public WorkerPulse Pulse { get; } = new();

        public long SeenTurns { get; set; } = -1;

        public TimeSpan Silence { get; set; }

        public bool IsTold { get; set; }
    }
}
