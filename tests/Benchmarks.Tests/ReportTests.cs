using System.Text.Json;
using ClusterMesh.Datapath.Benchmarks.Report;

namespace ClusterMesh.Datapath.Benchmarks.Tests;

/// <summary>The figures that people read are made right of what was measured: ratios within a repeat, medians of those, targets by their sense.</summary>
public sealed class ReportTests
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web);

    private static readonly Plan s_plan = JsonSerializer.Deserialize<Plan>("""
        { "worlds": [ { "name": "kernel", "kind": "kernel" }, { "name": "null", "kind": "null" }, { "name": "ours", "kind": "datapath" },
                      { "name": "kernel-9", "kind": "kernel", "sizeOf": "kernel" }, { "name": "ours-9", "kind": "datapath", "sizeOf": "ours" } ],
          "measures": [ { "name": "speed", "title": "Speed", "figures": [
              { "name": "rate", "unit": "per s", "better": "more", "targets": { "kernel": 0.9, "null": 0.95 }, "exceptions": { "ours-9": { "size": 0.5 } } },
              { "name": "cost", "unit": "ns", "better": "less", "targets": { "kernel": 1.0, "size": 1.1 } },
              { "name": "time", "unit": "ms", "better": "more", "targets": { "most": 10 } } ] } ] }
        """, s_options)!;

    [Fact]
    public void Ratios_are_formed_within_a_repeat()
    {
        // The machine was half as fast in the second repeat, for all; the medians' own ratio would be 12 / 20.
        List<Row> rows = Compare((1, "kernel", 20, 1), (2, "kernel", 10, 1), (3, "kernel", 30, 1), (1, "ours", 24, 1), (2, "ours", 12, 1), (3, "ours", 6, 1));
        Spread ratio = Of(rows, "rate", "ours").Ratios["kernel"];
        Assert.Equal((0.2, 1.2, 1.2), (ratio.Least, ratio.Median, ratio.Most));
        Assert.Equal(12, Of(rows, "rate", "ours").Value.Median);
    }

    [Fact]
    public void A_repeat_that_one_world_lacks_makes_no_ratio()
    {
        List<Row> rows = Compare((1, "kernel", 20, 1), (1, "ours", 20, 1), (2, "ours", 100, 1), (2, "null", 0, 1));
        Assert.Equal(1, Of(rows, "rate", "ours").Ratios["kernel"].Most);
        Assert.DoesNotContain("null", Of(rows, "rate", "ours").Ratios.Keys);
    }

    [Theory]
    [InlineData(9.0, 10.0, true, true)]
    [InlineData(8.9, 10.1, false, false)]
    [InlineData(11.0, 9.9, true, true)]
    public void Targets_know_whether_more_is_better(double rate, double cost, bool isRateMet, bool isCostMet)
    {
        List<Row> rows = Compare((1, "kernel", 10, 10), (1, "null", 1, 1), (1, "ours", rate, cost));
        Assert.Equal(isRateMet, Of(rows, "rate", "ours").Targets.Single(t => t.Of == "kernel").IsMet);
        Assert.Equal(isCostMet, Of(rows, "cost", "ours").Targets.Single(t => t.Of == "kernel").IsMet);
        Assert.Equal(rate <= 10, Of(rows, "time", "ours").Targets.Single().IsMet);
        Assert.Empty(Of(rows, "rate", "kernel").Targets);
    }

    [Fact]
    public void More_services_are_compared_with_the_small_twin_and_with_the_kernel_of_their_size()
    {
        List<Row> rows = Compare((1, "kernel", 10, 10), (1, "ours", 10, 10), (1, "kernel-9", 5, 20), (1, "ours-9", 8, 12));
        Row row = Of(rows, "cost", "ours-9");
        Assert.Equal((1.2, 0.6), (Math.Round(row.Ratios["size"].Median, 6), Math.Round(row.Ratios["kernel"].Median, 6)));
        Assert.False(row.Targets.Single(t => t.Of == "size").IsMet);
        Assert.Equal(("size", 0.5, true), Of(rows, "rate", "ours-9").Targets.Where(t => t.Of == "size").Select(t => (t.Of, t.Bound, t.IsMet)).Single());
    }

    [Fact]
    public void A_world_that_names_its_like_is_compared_with_that_only()
    {
        Plan plan = s_plan with
        {
            Worlds = [.. s_plan.Worlds, new World("kernel-tunnel", "kernel", null, null, ["kernel"]), new World("ours-tunnel", "datapath", null, null, ["ours", "kernel-tunnel"])],
        };
        Figure rate = plan.Measures[0].Figures[0] with { Exceptions = new() { ["ours-tunnel"] = new() { ["ours"] = 0.8, ["kernel-tunnel"] = 1.0 } } };
        plan = plan with { Measures = [plan.Measures[0] with { Figures = [rate] }] };
        (string World, double Rate)[] rates = [("kernel", 20), ("null", 20), ("ours", 10), ("kernel-tunnel", 10), ("ours-tunnel", 9)];
        Measurement[] measured = [.. rates.Select(r => new Measurement(1, "speed", r.World, new() { ["rate"] = r.Rate }, null))];
        List<Row> rows = Comparison.Compare(plan, measured);
        Row tunnel = rows.Single(r => r.World.Name == "ours-tunnel");
        Assert.Equal([("kernel-tunnel", 0.9), ("ours", 0.9)], tunnel.Ratios.Select(r => (r.Key, r.Value.Median)).Order());
        Assert.Equal([("kernel-tunnel", false), ("ours", true)], tunnel.Targets.Select(t => (t.Of, t.IsMet)).Order());
        Assert.Equal(["kernel", "null"], rows.Single(r => r.World.Name == "ours").Ratios.Keys.Order());
    }

    [Fact]
    public void The_text_says_what_failed_and_what_was_missed()
    {
        JsonElement header = JsonSerializer.Deserialize<JsonElement>("""
            { "date": "2026-01-02 03:04 UTC", "command": "./run-lab.sh bench", "commit": "abc", "processor": "P", "processors": 2, "memory": "1 GiB", "kernel": "Linux 6",
              "sdk": "10", "busyPercentAtRest": 3, "repeats": 1, "seconds": 1, "flows": 1000000, "notes": ["a note"] }
            """);
        Measurement failure = new(1, "speed", "null", [], "it broke");
        string text = ReportText.Make(header, Compare((1, "kernel", 10, 10), (1, "ours", 8, 8)), [failure]);
        Assert.Equal("""
            2026-01-02 03:04 UTC  ./run-lab.sh bench  commit abc
            P, 2 processors, 1 GiB, Linux 6, .NET SDK 10; at rest 3 % busy
            1 repeats of 1 s; idle flows where there are any: 1,000,000
            a note

            measure        world   median [range]  to kernel  to null  targets
            Speed (per s)  kernel  10.0
                           ours    8.00            0.80                >= 0.90 of kernel: NOT MET
            Speed (ns)     kernel  10.0
                           ours    8.00            0.80                <= 1.00 of kernel: met
            Speed (ms)     kernel  10.0
                           ours    8.00            0.80                <= 10.0: met

            3 targets: 2 met, 1 not
            FAILED: speed, null, repeat 1: it broke

            """, text);
    }

    [Fact]
    public void The_chart_turns_costs_round()
    {
        string chart = ReportChart.Make("a < b", Compare((1, "kernel", 10, 10), (1, "ours", 10, 5)));
        Assert.Contains("a &lt; b", chart, StringComparison.Ordinal);
        Assert.Contains(">2.00</text>", chart, StringComparison.Ordinal);
        Assert.DoesNotContain(">0.50</text>", chart, StringComparison.Ordinal);
    }

    private static List<Row> Compare(params (int Repeat, string World, double Rate, double Cost)[] measured) => Comparison.Compare(s_plan,
        [.. measured.Select(m => new Measurement(m.Repeat, "speed", m.World, new() { ["rate"] = m.Rate, ["cost"] = m.Cost, ["time"] = m.Rate }, null))]);

    private static Row Of(List<Row> rows, string figure, string world) => rows.Single(r => r.Figure.Name == figure && r.World.Name == world);
}
