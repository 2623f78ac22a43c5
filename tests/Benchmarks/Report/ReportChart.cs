using System.Text;

namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>The report as a picture: for every figure with a target, how many times as good as the kernel it is.</summary>
internal static class ReportChart
{
    private const int Left = 330;
    private const int LegendLeft = 40; // room for as many worlds as there can be
    private const int Plot = 460;
    private const int Right = 60;
    private const int Top = 74;
    private const int Bar = 11;
    private const int Gap = 10;

    /// <summary>What is better still ends at the edge and says its number.</summary>
    private const double MostRatio = 2;

    private const string Style = """
        svg { font: 12px system-ui, sans-serif; }
        .paper { fill: #ffffff; } .text { fill: #1f2328; } .faint { fill: #59636e; } .grid { stroke: #d1d9e0; } .one { stroke: #1f2328; stroke-width: 1.5; }
        .bar0 { fill: #1f6feb; } .bar1 { fill: #d4722a; } .bar2 { fill: #2da44e; } .bar3 { fill: #8250df; } .null { fill: #a8b1ba; }
        .range { stroke: #1f2328; } .target { stroke: #cf222e; stroke-width: 2; }
        @media (prefers-color-scheme: dark) {
          .paper { fill: #0d1117; } .text { fill: #e6edf3; } .faint { fill: #9198a1; } .grid { stroke: #30363d; } .one { stroke: #e6edf3; }
          .bar0 { fill: #4493f8; } .bar1 { fill: #e0823d; } .bar2 { fill: #3fb950; } .bar3 { fill: #ab7df8; } .null { fill: #656c76; }
          .range { stroke: #e6edf3; } .target { stroke: #f85149; }
        }
        """;

    public static string Make(string caption, IReadOnlyList<Row> rows)
    {
        var figures = rows.Where(r => !r.IsSize && r.TimesAsGoodAsKernel is not null).GroupBy(r => (r.Measure, r.Figure))
            .Where(g => g.Any(r => r.Targets.Count > 0 && !r.Targets.Any(t => t.Of == "most"))).ToArray();
        string[] worlds = [.. figures.SelectMany(g => g).OrderBy(r => !r.World.IsOurs).Select(r => r.World.Name).Distinct()];
        int height = Top + figures.Sum(g => (g.Count() * Bar) + Gap) + 34;
        var svg = new StringBuilder();
        svg.Append($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Left + Plot + Right} {height}\" width=\"{Left + Plot + Right}\" height=\"{height}\" role=\"img\">\n<title>{Escape(caption)}</title>\n<style>\n{Style}\n</style>\n");
        svg.Append($"<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n<text class=\"text\" x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"600\">How many times as good as the kernel</text>\n");
        svg.Append($"<text class=\"faint\" x=\"16\" y=\"43\">{Escape(caption)}</text>\n");
        Legend(svg, worlds);
        Grid(svg, height - 34);
        int y = Top;
        foreach (var figure in figures)
        {
            Bars(svg, figure.OrderBy(r => !r.World.IsOurs), worlds, y);
            svg.Append($"<text class=\"text\" x=\"{Left - 10}\" y=\"{y + (figure.Count() * Bar / 2) + 4}\" text-anchor=\"end\">{Escape(figure.Key.Measure.Title)} <tspan class=\"faint\">{Escape(figure.Key.Figure.Unit)}</tspan></text>\n");
            y += (figure.Count() * Bar) + Gap;
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void Legend(StringBuilder svg, string[] worlds)
    {
        int x = LegendLeft;
        foreach (string world in worlds)
        {
            svg.Append($"<rect class=\"{ClassOf(world, worlds)}\" x=\"{x}\" y=\"54\" width=\"10\" height=\"10\"/><text class=\"text\" x=\"{x + 15}\" y=\"63\">{Escape(world)}</text>\n");
            x += 34 + (world.Length * 7);
        }

        svg.Append($"<line class=\"range\" x1=\"{x}\" x2=\"{x + 14}\" y1=\"59\" y2=\"59\"/><text class=\"text\" x=\"{x + 19}\" y=\"63\">range</text>\n");
        svg.Append($"<line class=\"target\" x1=\"{x + 72}\" x2=\"{x + 72}\" y1=\"53\" y2=\"65\"/><text class=\"text\" x=\"{x + 79}\" y=\"63\">target</text>\n");
    }

    private static void Grid(StringBuilder svg, int bottom)
    {
        for (double ratio = 0; ratio <= MostRatio; ratio += 0.5)
        {
            svg.Append($"<line class=\"{(ratio == 1 ? "one" : "grid")}\" x1=\"{At(ratio)}\" x2=\"{At(ratio)}\" y1=\"{Top - 4}\" y2=\"{bottom}\"/><text class=\"faint\" x=\"{At(ratio)}\" y=\"{bottom + 18}\" text-anchor=\"middle\">{(ratio == 1 ? "kernel" : ratio.ToString("f1"))}</text>\n");
        }
    }

    private static void Bars(StringBuilder svg, IEnumerable<Row> rows, string[] worlds, int y)
    {
        foreach (Row row in rows)
        {
            Spread ratio = row.TimesAsGoodAsKernel!.Value;
            int middle = y + (Bar / 2);
            svg.Append($"<rect class=\"{ClassOf(row.World.Name, worlds)}\" x=\"{Left}\" y=\"{y}\" width=\"{At(ratio.Median) - Left}\" height=\"{Bar - 1}\"/>\n");
            svg.Append($"<line class=\"range\" x1=\"{At(ratio.Least)}\" x2=\"{At(ratio.Most)}\" y1=\"{middle}\" y2=\"{middle}\"/>\n");
            foreach (Target target in row.Targets.Where(t => t.Of == "kernel"))
            {
                int x = At(row.Figure.MoreIsBetter ? target.Bound : 1 / target.Bound);
                svg.Append($"<line class=\"target\" x1=\"{x}\" x2=\"{x}\" y1=\"{y - 2}\" y2=\"{y + Bar + 1}\"/>\n");
            }

            svg.Append($"<text class=\"faint\" x=\"{At(Math.Max(ratio.Median, ratio.Most)) + 5}\" y=\"{y + Bar - 2}\" font-size=\"10\">{ratio.Median:f2}</text>\n");
            y += Bar;
        }
    }

    private static int At(double ratio) => Left + (int)Math.Round(Math.Clamp(ratio, 0, MostRatio) / MostRatio * Plot);

    private static string ClassOf(string world, string[] worlds) => world == "null" ? "null" : $"bar{Array.IndexOf(worlds, world) % 4}";

    private static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);
}
