namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>
/// A figure of one world, and its ratios, by what it is compared with. A ratio is formed within each repeat and the median taken of those:
/// what slows the machine for a while slows both.
/// </summary>
internal sealed record Row(Measure Measure, Figure Figure, World World, double[] Values, Spread Value, IReadOnlyDictionary<string, Spread> Ratios, IReadOnlyList<Target> Targets)
{
    public bool IsSize => World.SizeOf is not null;

    /// <summary>How many times as good as the kernel: above 1 is better, also where less is better.</summary>
    public Spread? TimesAsGoodAsKernel => !Ratios.TryGetValue("kernel", out Spread ratio) ? null
        : Figure.MoreIsBetter ? ratio
        : new Spread(1 / ratio.Median, 1 / ratio.Most, 1 / ratio.Least, ratio.Count);
}
