using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Io;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>The running forwarder's side of a takeover. Called with the control gate held.</summary>
internal sealed class Handover(NodeKeeping keeping, WorkerGroup workers)
{
    private const long PreparedMilliseconds = 30_000;

    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _preparedUntil;

    /// <summary>Ends when another process has the node: this one is to end without taking anything with it.</summary>
    public Task Done => _done.Task;

    /// <summary>Another process prepares: no change is taken.</summary>
    public bool IsUnderWay => Environment.TickCount64 < _preparedUntil;

    /// <exception cref="ControlException">It cannot be.</exception>
    public TakeoverResult Take(TakeoverPhase phase)
    {
        if (!keeping.IsKept)
        {
            throw new ControlException(ErrorCode.InvalidParams, "it was started without --keep, so there is nothing to be taken over; stop it and start the other");
        }

        switch (phase)
        {
            case TakeoverPhase.Prepare when IsUnderWay:
                throw new ControlException(ErrorCode.InvalidParams, "another takeover is under way");
            case TakeoverPhase.Prepare:
                keeping.Write();
                _preparedUntil = Environment.TickCount64 + PreparedMilliseconds;
                return Result([]);
            case TakeoverPhase.Complete when !IsUnderWay || _done.Task.IsCompleted:
                throw new ControlException(ErrorCode.InvalidParams, "no takeover is prepared, or it was half a minute ago");
            case TakeoverPhase.Complete:
                keeping.Release(); // Ports that the workers close now stay with the keeper.
                workers.Quiesce();
                string[] neighbors = [.. KeptNeighbors.Describe(workers.First.Live.Neighbors)];
                _done.SetResult();
                return Result(neighbors);
            default:
                _preparedUntil = 0;
                return Result([]);
        }
    }

    private static TakeoverResult Result(IReadOnlyList<string> neighbors) => new(Environment.ProcessId, neighbors);
}
