using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Where a worker sleeps until a frame waits on one of its TAPs. Level-triggered: a port that was not emptied is reported again.
/// A port whose device is gone is reported too, so that its reader sees it, until it is removed.
/// <see cref="Wait"/> belongs to one thread; everything else may be called from any.
/// </summary>
public sealed class PortPoller : IDisposable
{
    private readonly EpollSet _set = new();

    internal EventCounter Counter => _set.Counter;

    /// <param name="id">Not negative; what <see cref="Wait"/> reports.</param>
    public void Add(TapPort port, int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        _set.Add(port.Tun, id, port.Name);
    }

    /// <summary>
    /// Ends reports of a port; to be called before the port is disposed, because a child process being started may keep the closed device in
    /// the set for a moment. A disposed or unknown port is no error.
    /// </summary>
    public void Remove(TapPort port) => _set.Remove(port.Tun);

    /// <param name="readyIds">Takes the ids; where more are ready, the others come next time.</param>
    /// <param name="timeoutMilliseconds">0 looks and returns, -1 waits for ever.</param>
    /// <returns>How many ids were written; 0 after the timeout or <see cref="Wake"/>.</returns>
    public int Wait(Span<int> readyIds, int timeoutMilliseconds) => _set.Wait(readyIds, timeoutMilliseconds);

    /// <summary>Ends the present Wait or, where there is none, the next one.</summary>
    public void Wake() => _set.Wake();

    public void Dispose() => _set.Dispose();
}
