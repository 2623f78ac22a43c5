namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>Times in buckets, as Prometheus wants them.</summary>
/// <param name="Bounds">Upper bounds in seconds, growing, without infinity.</param>
/// <param name="Counts">What fell into each bucket and not into one before; one more than there are bounds.</param>
/// <param name="Sum">Of all times, in seconds.</param>
public sealed record TimeHistogram(IReadOnlyList<double> Bounds, IReadOnlyList<ulong> Counts, double Sum);
