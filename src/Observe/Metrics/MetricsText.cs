using System.Globalization;
using System.Text;

namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>The Prometheus text format, version 0.0.4.</summary>
public static class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(IEnumerable<MetricFamily> families)
    {
        ArgumentNullException.ThrowIfNull(families);
        StringBuilder text = new();
        foreach (MetricFamily family in families)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {family.Name} {Escape(family.Help, quotes: false)}\n");
            text.Append(CultureInfo.InvariantCulture, $"# TYPE {family.Name} {family.Kind.ToString().ToLowerInvariant()}\n");
            foreach (MetricSample sample in family.Samples)
            {
                text.Append(family.Name).Append(sample.Suffix);
                if (sample.Labels.Count > 0)
                {
                    text.Append('{').AppendJoin(',', sample.Labels.Select(label => $"{label.Name}=\"{Escape(label.Value, quotes: true)}\"")).Append('}');
                }

                text.Append(' ').Append(Number(sample.Value)).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString(CultureInfo.InvariantCulture),
    };

    private static string Escape(string text, bool quotes)
    {
        string escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}
