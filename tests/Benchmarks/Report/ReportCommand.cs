using System.Text.Encodings.Web;
using System.Text.Json;

namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>What ./run-lab.sh bench ends with: a folder's raw.jsonl and header.json become table.txt, report.json and chart.svg, and the table is printed.</summary>
internal static class ReportCommand
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static int Run(string planPath, string directory)
    {
        Plan plan = JsonSerializer.Deserialize<Plan>(File.ReadAllText(planPath), s_options)!;
        JsonElement header = JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(directory, "header.json")));
        Measurement[] measurements = [.. File.ReadLines(Path.Combine(directory, "raw.jsonl")).Select(line => JsonSerializer.Deserialize<Measurement>(line, s_options)!)];
        Measurement[] failures = [.. measurements.Where(m => m.Error is not null)];
        List<Row> rows = Comparison.Compare(plan, measurements);
        string text = ReportText.Make(header, rows, failures);
        File.WriteAllText(Path.Combine(directory, "table.txt"), text);
        File.WriteAllText(Path.Combine(directory, "report.json"), JsonSerializer.Serialize(Document(header, rows, failures), s_options) + "\n");
        string caption = $"{header.GetProperty("date")}, {header.GetProperty("processors")} processors, {header.GetProperty("kernel")}, median of {header.GetProperty("repeats")}; costs and times count inversely";
        File.WriteAllText(Path.Combine(directory, "chart.svg"), ReportChart.Make(caption, rows));
        Console.Write(text);
        return 0;
    }

    private static object Document(JsonElement header, List<Row> rows, Measurement[] failures) => new
    {
        header,
        figures = rows.Select(r => new
        {
            measure = r.Measure.Name,
            figure = r.Figure.Name,
            title = r.Measure.Title,
            r.Figure.Unit,
            r.Figure.Better,
            world = r.World.Name,
            r.Value.Median,
            r.Values,
            r.Ratios,
            r.Targets,
        }),
        failures,
    };
}
