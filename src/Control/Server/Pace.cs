using System.Diagnostics;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>
/// How often something may happen on a server: so many a second, and so many at once after a rest. Who comes too early waits for its turn, in the order
/// of asking. A connection asks for one thing at a time, so that one which asks without end delays the others by one turn of its own, no more.
/// </summary>
/// <param name="rate">A second.</param>
/// <param name="burst">At once, when nothing happened for long enough.</param>
internal sealed class Pace(int rate, int burst)
{
    private readonly double _interval = (double)Stopwatch.Frequency / rate;
    private readonly long _credit = (long)((double)Stopwatch.Frequency / rate * (burst - 1));
    private readonly Lock _gate = new();
    private long _next; // ticks of the stopwatch at which the next is due without any credit; guarded by the gate

    /// <summary>Returns when it is the caller's turn, mostly at once. What is more than one thing is paid for by whoever comes next.</summary>
    /// <param name="count">How many things it does.</param>
    /// <exception cref="OperationCanceledException">Told so meanwhile; the turn is lost.</exception>
    public Task WaitAsync(long count, CancellationToken cancellation)
    {
        long now = Stopwatch.GetTimestamp();
        long due;
        lock (_gate)
        {
            due = Math.Max(_next, now - _credit);
            _next = due + (long)(_interval * count);
        }

        return due <= now ? Task.CompletedTask : Task.Delay(Stopwatch.GetElapsedTime(now, due) + TimeSpan.FromMilliseconds(1), cancellation);
    }
}
