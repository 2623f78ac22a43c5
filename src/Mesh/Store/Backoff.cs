namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>How long to wait before the next try: twice as long after each failure, spread by a quarter so that nodes do not try together.</summary>
public sealed class Backoff(TimeProvider time, TimeSpan? first = null, TimeSpan? longest = null)
{
    private readonly TimeSpan _first = first ?? TimeSpan.FromMilliseconds(250);
    private readonly TimeSpan _longest = longest ?? TimeSpan.FromSeconds(30);
    private int _failureCount;

    /// <summary>After a success the next failure waits shortly again.</summary>
    public void Reset() => _failureCount = 0;

    public Task WaitAsync(CancellationToken cancellation)
    {
        double wait = Math.Min(_longest.TotalSeconds, _first.TotalSeconds * Math.Pow(2, _failureCount));
        _failureCount = Math.Min(_failureCount + 1, 30);
        // Not a secret, only a spread.
        double spread = 1 - (0.25 * Random.Shared.NextDouble());
        return Task.Delay(TimeSpan.FromSeconds(wait * spread), time, cancellation);
    }
}
