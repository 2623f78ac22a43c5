namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>Makes rows of raw measurements.</summary>
internal static class Comparison
{
    /// <summary>In the plan's order; a figure that a world was never measured for has no row.</summary>
    public static List<Row> Compare(Plan plan, IReadOnlyCollection<Measurement> measurements) =>
    [
        .. from measure in plan.Measures
           from figure in measure.Figures
           from world in plan.Worlds
           let row = RowOf(plan, measure, figure, world, measurements)
           where row is not null
           select row,
    ];

    private static Row? RowOf(Plan plan, Measure measure, Figure figure, World world, IReadOnlyCollection<Measurement> measurements)
    {
        SortedDictionary<int, double> values = ValuesOf(measure, figure, world.Name, measurements);
        if (Spread.Of(values.Values) is not { } value)
        {
            return null;
        }

        Dictionary<string, Spread> ratios = [];
        foreach ((string name, string other) in ComparedWith(plan, world))
        {
            SortedDictionary<int, double> others = ValuesOf(measure, figure, other, measurements);
            if (Spread.Of(values.Where(v => others.GetValueOrDefault(v.Key) > 0).Select(v => v.Value / others[v.Key])) is { } ratio)
            {
                ratios[name] = ratio;
            }
        }

        return new Row(measure, figure, world, [.. values.Values], value, ratios, TargetsOf(figure, world, value, ratios));
    }

    /// <summary>A world of more services or flows is compared with its small twin and with the kernel's of the same size; any other with kernel and null, one that is observed with the one that is not.</summary>
    private static IEnumerable<(string Name, string World)> ComparedWith(Plan plan, World world)
    {
        if (world.ComparedWith is { } named)
        {
            return named.Select(n => (n, n));
        }

        if (world.SizeOf is { } small)
        {
            string twin = "kernel" + world.Name[small.Length..];
            return plan.Worlds.Any(w => w.Name == twin) && twin != world.Name ? [("size", small), ("kernel", twin)] : [("size", small)];
        }

        return plan.Worlds.Where(w => w.SizeOf is null && w.ComparedWith is null && !w.IsOurs && w.Name != world.Name && world.Kind != "kernel").Select(w => (w.Name, w.Name))
            .Concat(world.ObservedOf is { } quiet ? [("unobserved", quiet)] : []);
    }

    private static List<Target> TargetsOf(Figure figure, World world, Spread value, Dictionary<string, Spread> ratios)
    {
        if (!world.IsOurs)
        {
            return [];
        }

        List<Target> targets = [];
        foreach ((string of, double bound) in figure.TargetsFor(world))
        {
            bool isForThis = of == "size" == world.SizeOf is not null;
            double? seen = of == "most" ? value.Median : ratios.TryGetValue(of, out Spread ratio) ? ratio.Median : null;
            if (isForThis && seen is { } number)
            {
                bool atLeast = figure.MoreIsBetter && of != "most";
                targets.Add(new Target(of, atLeast, bound, atLeast ? number >= bound : number <= bound));
            }
        }

        return targets;
    }

    /// <summary>By repeat.</summary>
    private static SortedDictionary<int, double> ValuesOf(Measure measure, Figure figure, string world, IReadOnlyCollection<Measurement> measurements) => new(
        measurements.Where(m => m.Measure == measure.Name && m.World == world && m.Figures.GetValueOrDefault(figure.Name) is not null)
            .ToDictionary(m => m.Repeat, m => m.Figures[figure.Name]!.Value));
}
