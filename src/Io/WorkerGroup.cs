using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The workers of a process: one snapshot for all, a queue of every TAP for each. A change is in force when every worker has it: ports that end
/// end everywhere first, ports that begin begin when all workers know them, since a frame of one may be another's to forward.
/// </summary>
public sealed class WorkerGroup : IDisposable
{
    /// <summary>A frame goes to three workers at most, and waits for its turn in each.</summary>
    private const int QuietRounds = 6;

    private readonly Worker[] _workers;

    /// <param name="live">Tables by worker; how many there are says how many workers.</param>
    /// <param name="homes">Null for one worker, and so <paramref name="backends"/>.</param>
    /// <param name="onFault">Called with the worker's name, on its thread, when it dies.</param>
    /// <exception cref="DeviceException">The kernel has no such engine.</exception>
    public WorkerGroup(
        IReadOnlyList<LiveTables> live, FlowHomes? homes, KnownBackends? backends, Snapshot snapshot, EngineKind kind, int spinMicroseconds, Action<string, Exception> onFault)
    {
        Homes = homes;
        Backends = backends;
        var engines = new List<PortEngine>();
        try
        {
            foreach (LiveTables tables in live)
            {
                engines.Add(PortEngine.Open(kind, tables.Counters));
            }

            if (live.Count > 1)
            {
                PortEngine.Connect(engines);
            }
        }
        catch
        {
            engines.ForEach(e => e.Dispose());
            throw;
        }

        _workers = new Worker[live.Count];
        for (int i = 0; i < _workers.Length; i++)
        {
            int number = i;
            FlowSteering? steering = live.Count > 1 ? new FlowSteering(i, homes!, backends!, live[i]) : null;
            _workers[i] = new Worker(
                live[i], snapshot, engines[i], new SpinPolicy(spinMicroseconds), e => onFault(_workers[number].Name, e), steering, i);
        }
    }

    public IReadOnlyList<Worker> Workers => _workers;

    /// <summary>Which worker has which flows; null where there is one.</summary>
    public FlowHomes? Homes { get; }

    /// <summary>Null where there is one worker.</summary>
    public KnownBackends? Backends { get; }

    /// <summary>The one whose uplink forwarders of this machine are linked to.</summary>
    public Worker First => _workers[0];

    public void Start()
    {
        foreach (Worker worker in _workers)
        {
            worker.Start();
        }
    }

    /// <summary>Runs an action on each worker's thread, one after the other.</summary>
    public void Invoke(Action<Worker> action)
    {
        foreach (Worker worker in _workers)
        {
            worker.Invoke(() => action(worker));
        }
    }

    /// <summary>Changes the configuration and the ports. When it returns no worker reads an older snapshot.</summary>
    /// <param name="detach">Ids whose ports are closed.</param>
    /// <param name="attach">Ports that begin to be served, with a queue for each worker; the workers close them in the end.</param>
    public void Reconfigure(Snapshot snapshot, IReadOnlyList<int> detach, IReadOnlyList<(int Id, TapPort[] Queues)> attach)
    {
        List<TapPort> detached = [];
        if (_workers.Length == 1)
        {
            detached.AddRange(First.Reconfigure(snapshot, detach, [.. attach.Select(a => (a.Id, a.Queues[0]))]));
        }
        else
        {
            foreach (Worker worker in _workers)
            {
                detached.AddRange(worker.Reconfigure(snapshot, detach, []));
            }

            foreach (Worker worker in attach.Count > 0 ? _workers : [])
            {
                worker.Reconfigure(snapshot, [], [.. attach.Select(a => (a.Id, a.Queues[Array.IndexOf(_workers, worker)]))]);
            }
        }

        // The kernel takes some 16 ms to close a TAP: not on the workers' time.
        detached.ForEach(port => port.Dispose());
    }

    /// <summary>Whether the port is served by all workers; false for one whose device has gone.</summary>
    public bool IsAttached(int id) => Array.TrueForAll(_workers, w => w.IsAttached(id));

    /// <summary>The namespace that the port's device was made in, 0 for a port that no worker serves.</summary>
    public ulong NamespaceInodeOf(int id) => _workers.Max(w => w.NamespaceInodeOf(id));

    /// <summary>
    /// Reads nothing more, completes what was read, and stops: what comes in from now on waits in the TAPs' queues, and no table changes any more.
    /// </summary>
    public void Quiesce()
    {
        Invoke(worker => worker.Engine.StopReading());
        for (int quietCount = 0; quietCount < QuietRounds;)
        {
            // A frame may be on its way from one worker to another: all of them must be quiet several times in a row.
            bool isQuiet = true;
            Invoke(worker => isQuiet &= worker.Engine.IsQuiet);
            quietCount = isQuiet ? quietCount + 1 : 0;
        }

        Array.ForEach(_workers, w => w.Stop());
    }

    /// <summary>Stops the threads and closes all ports.</summary>
    public void Dispose()
    {
        Array.ForEach(_workers, w => w.Stop()); // A worker that still runs looks at the buffers of one that has stopped.
        Array.ForEach(_workers, w => w.Dispose());
    }
}
