namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>One line of a metric.</summary>
/// <param name="Suffix">What follows the family's name: "_bucket" of a histogram, usually nothing.</param>
public readonly record struct MetricSample(string Suffix, IReadOnlyList<(string Name, string Value)> Labels, double Value)
{
    public MetricSample(double value, params IReadOnlyList<(string Name, string Value)> labels)
        : this("", labels, value)
    {
    }
}
