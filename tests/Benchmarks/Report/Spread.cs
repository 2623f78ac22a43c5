namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>Median, least and most of a figure's repeats.</summary>
internal readonly record struct Spread(double Median, double Least, double Most, int Count)
{
    /// <summary>Null of nothing.</summary>
    public static Spread? Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
        {
            return null;
        }

        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1], sorted.Length);
    }

    public override string ToString() => Count == 1 ? Digits(Median) : $"{Digits(Median)} [{Digits(Least)}-{Digits(Most)}]";

    /// <summary>Three digits that count, or all before the point.</summary>
    public static string Digits(double value) => Math.Abs(value) switch
    {
        >= 99.95 => value.ToString("n0"),
        >= 9.995 => value.ToString("f1"),
        _ => value.ToString("f2"),
    };
}
