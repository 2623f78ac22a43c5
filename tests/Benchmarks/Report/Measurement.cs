namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>A line of raw.jsonl: what one measure gave on one world, or why it failed.</summary>
internal sealed record Measurement(int Repeat, string Measure, string World, Dictionary<string, double?> Figures, string? Error);
