using ClusterMesh.Datapath.Configuration;

namespace ClusterMesh.Datapath.Replay.Tests;

/// <summary>The node of west-worker.yaml, and replays on it.</summary>
internal static class Node
{
    public const string CurlPod = "default/curl-pod";
    public const string WebPod = "default/webpod-1";

    /// <summary>2026-01-01T00:00:00Z, when each test's first packet comes.</summary>
    public const long Epoch = 1_767_225_600_000_000_000;

    public const long Millisecond = 1_000_000;
    public const long Second = 1000 * Millisecond;

    public static string FilePath { get; } = Path.Combine(AppContext.BaseDirectory, "west-worker.yaml");

    public static NodeFile Document { get; } = NodeFile.Read(FilePath);

    public static List<ReplayRecord> Run(IEnumerable<ReplayFrame> frames, ulong seed = ReplayRun.DefaultSeed, bool resolveNeighbors = true) =>
        Run(frames, out _, seed, resolveNeighbors);

    public static List<ReplayRecord> Run(
        IEnumerable<ReplayFrame> frames, out ReplaySummary summary, ulong seed = ReplayRun.DefaultSeed, bool resolveNeighbors = true)
    {
        var run = new ReplayRun(Document, seed, resolveNeighbors);
        var records = new List<ReplayRecord>();
        run.Run(frames, records.Add);
        summary = run.Summary;
        return records;
    }

    public static string Text(IEnumerable<ReplayRecord> records) => string.Concat(records.Select(r => RecordJson.Line(r) + "\n"));

    public static IEnumerable<ReplayRecord> Entered(this IEnumerable<ReplayRecord> records) => records.Where(r => r.Event == ReplayEvent.Entered);
}
