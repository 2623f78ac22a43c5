namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>Types of the Prometheus text format.</summary>
public enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}
