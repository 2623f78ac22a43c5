using System.Text;
using System.Text.Json;

namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>The report as a person reads it on a terminal.</summary>
internal static class ReportText
{
    public static string Make(JsonElement header, IReadOnlyList<Row> rows, IReadOnlyList<Measurement> failures)
    {
        var text = new StringBuilder();
        text.Append(HeaderLines(header)).Append('\n');
        Table(text, ["measure", "world", "median [range]", "to kernel", "to null", "targets"], rows.Where(r => !r.IsSize).Select(r =>
            (Title(r), (string[])[r.World.Name, r.Value.ToString(), Ratio(r, "kernel"), Ratio(r, "null"), string.Join("; ", r.Targets)])));
        if (rows.Any(r => r.IsSize))
        {
            text.Append("\nWith more services and idle flows\n");
            Table(text, ["measure", "world", "median [range]", "to 1 service", "to kernel", "targets"], rows.Where(r => r.IsSize).Select(r =>
                (Title(r), (string[])[r.World.Name, r.Value.ToString(), Ratio(r, "size"), Ratio(r, "kernel"), string.Join("; ", r.Targets)])));
        }

        Target[] targets = [.. rows.SelectMany(r => r.Targets)];
        text.Append($"\n{targets.Length} targets: {targets.Count(t => t.IsMet)} met, {targets.Count(t => !t.IsMet)} not\n");
        foreach (Measurement failure in failures)
        {
            text.Append($"FAILED: {failure.Measure}, {failure.World}, repeat {failure.Repeat}: {failure.Error}\n");
        }

        return text.ToString();
    }

    private static string HeaderLines(JsonElement header)
    {
        string Of(string name) => header.GetProperty(name).ToString();
        string notes = string.Concat(header.GetProperty("notes").EnumerateArray().Select(n => $"{n.GetString()}\n"));
        return $"{Of("date")}  {Of("command")}  commit {Of("commit")}\n"
            + $"{Of("processor")}, {Of("processors")} processors, {Of("memory")}, {Of("kernel")}, .NET SDK {Of("sdk")}; at rest {Of("busyPercentAtRest")} % busy\n"
            + $"{Of("repeats")} repeats of {Of("seconds")} s; idle flows where there are any: {header.GetProperty("flows").GetInt64():n0}\n{notes}";
    }

    private static string Title(Row row) => $"{row.Measure.Title} ({row.Figure.Unit})";

    private static string Ratio(Row row, string of) => row.Ratios.TryGetValue(of, out Spread ratio) ? ratio.ToString() : "";

    /// <summary>The title stands in the first of its rows only.</summary>
    private static void Table(StringBuilder text, string[] heads, IEnumerable<(string Title, string[] Cells)> rows)
    {
        string last = "";
        List<string[]> lines = [heads];
        foreach ((string title, string[] cells) in rows)
        {
            lines.Add([title == last ? "" : title, .. cells]);
            last = title;
        }

        int[] widths = [.. heads.Select((_, column) => lines.Max(l => l[column].Length))];
        foreach (string[] line in lines)
        {
            text.Append(string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()).Append('\n');
        }
    }
}
