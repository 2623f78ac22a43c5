using System.Diagnostics;
using ClusterMesh.Datapath.Io;

namespace ClusterMesh.Datapath.Forwarder.Watching;

/// <summary>
/// Says when a worker is stuck, in one line with its stack, and tells the service manager that all is well only while all workers turn: it then
/// restarts a node that does not forward.
/// </summary>
internal sealed class NodeWatch : IDisposable
{
    private readonly ServiceNotifier _manager;
    private readonly string _description;
    private readonly WorkerWatch _watch;
    private long _beatAt = Stopwatch.GetTimestamp();

    /// <param name="description">The node in a few words.</param>
    public NodeWatch(IReadOnlyList<Worker> workers, TimeSpan limit, ServiceNotifier manager, string description)
    {
        _manager = manager;
        _description = description;
        manager.Ready($"{description} is up");
        _watch = new WorkerWatch(workers, limit, Stuck, Over, Look);
    }

    /// <summary>On the worker's own thread.</summary>
    public static void WorkerDied(string worker, Exception e)
    {
        // A dead worker is worse than a restart: whoever supervises us sees the exit.
        Log.Write($"{worker} died: {e}");
        Environment.Exit(3);
    }

    public void Dispose()
    {
        _watch.Dispose();
        _manager.Stopping($"{_description} stops");
        _manager.Dispose();
    }

    private void Stuck(Worker worker, TimeSpan silence)
    {
        string state = KernelThread.Describe(worker.ThreadId);
        _manager.Status($"{_description}: {worker.Name} is stuck");
        Log.Write($"{worker.Name} has not turned for {silence.TotalSeconds:0.0} s: thread {worker.ThreadId} {state}; {ThreadStack.OfOwn(worker.ThreadId)}");
    }

    private void Over(Worker worker, TimeSpan silence)
    {
        _manager.Status($"{_description} is up");
        Log.Write($"{worker.Name} turns again after {silence.TotalSeconds:0.0} s");
    }

    private void Look(bool areWell)
    {
        if (areWell && _manager.WatchdogInterval is { } interval && Stopwatch.GetElapsedTime(_beatAt) >= interval / 3)
        {
            _beatAt = Stopwatch.GetTimestamp();
            _manager.Beat();
        }
    }
}
