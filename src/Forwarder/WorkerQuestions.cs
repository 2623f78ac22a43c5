using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Io;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>What clients want of the workers: answered in time or refused in a sentence, also while a worker is stuck.</summary>
internal static class WorkerQuestions
{
    /// <summary>A worker that is well turns every second at least.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>Looks at a worker's tables on its thread.</summary>
    /// <exception cref="ControlException">The worker does not turn.</exception>
    public static void Ask(this Worker worker, Action look)
    {
        try
        {
            worker.Invoke(look, s_patience);
        }
        catch (TimeoutException e)
        {
            throw new ControlException(ErrorCode.WorkerStuck, $"{e.Message} and cannot be asked for what lies in its tables; ask again, or see what cmesh status and the forwarder's log say of it");
        }
    }

    /// <summary>Refuses a change, which must wait until every worker has it.</summary>
    /// <exception cref="ControlException">The watchdog says that one is stuck.</exception>
    public static void RequireTurning(this WorkerGroup workers)
    {
        foreach (Worker worker in workers.Workers)
        {
            if (worker.Pulse is { StuckMilliseconds: > 0 and long stuck })
            {
                throw new ControlException(
                    ErrorCode.WorkerStuck, $"{worker.Name} has not turned for {stuck / 1000.0:0.0} s and takes no change; nothing was changed, ask again when cmesh status has no line Stuck any more");
            }
        }
    }
}
