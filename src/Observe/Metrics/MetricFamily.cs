namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>A metric with all its samples.</summary>
/// <param name="Help">One sentence.</param>
public sealed record MetricFamily(string Name, MetricKind Kind, string Help, IReadOnlyList<MetricSample> Samples);
