namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>A packet's way through the whole pipeline, by shortcut and by the stages in turns.</summary>
internal static class PipelineBenchmark
{
    private const int PacketCount = 1 << 19;
    private const int RepeatCount = 9;

    /// <summary>Passes before the first that counts: the compiler takes its time.</summary>
    private const int WarmUpCount = 3;

    public static void Run()
    {
        foreach (int flowCount in (int[])[1, 1_000, 1_000_000])
        {
            foreach (bool isMasqueraded in (bool[])[false, true])
            {
                Measure(flowCount, isMasqueraded);
                GC.Collect();
            }
        }
    }

    private static void Measure(int flowCount, bool isMasqueraded)
    {
        PipelineCase[] cases = [new(flowCount, isMasqueraded, HasShortcut: false), new(flowCount, isMasqueraded, HasShortcut: true)];
        PipelineRun[] runs = [.. cases.Select(c => new PipelineRun(c))];
        foreach (int burst in (int[])[1, 32, 64])
        {
            double[][] times = [new double[RepeatCount], new double[RepeatCount]];
            int sent = 0;
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = -WarmUpCount; i < RepeatCount; i++)
            {
                for (int which = 0; which < cases.Length; which++)
                {
                    long start = System.Diagnostics.Stopwatch.GetTimestamp();
                    sent += runs[which].Send(PacketCount, burst);
                    times[which][Math.Max(i, 0)] = System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalNanoseconds / PacketCount;
                }
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            for (int which = 0; which < cases.Length; which++)
            {
                Array.Sort(times[which]);
                Console.WriteLine($"pipeline: {cases[which]}, bursts of {burst}: {Sample.Range(times[which], 1)} ns a packet");
            }

            if (allocated != 0 || sent != 2 * (RepeatCount + WarmUpCount) * PacketCount)
            {
                throw new InvalidOperationException($"{sent} packets left, {allocated} bytes were allocated");
            }
        }
    }
}
