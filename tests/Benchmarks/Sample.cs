using System.Diagnostics;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>Repeats a piece of work and gives the spread of its time: the machine is shared, one figure alone says little.</summary>
internal static class Sample
{
    /// <summary>Microseconds of each repeat, in ascending order.</summary>
    public static double[] Microseconds(int repeats, Action<int> work)
    {
        var times = new double[repeats];
        for (int i = 0; i < repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            work(i);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        Array.Sort(times);
        return times;
    }

    public static string Spread(double[] sorted, double divisor = 1) =>
        $"median {sorted[sorted.Length / 2] / divisor:f2}, p99 {sorted[sorted.Length * 99 / 100] / divisor:f2}, most {sorted[^1] / divisor:f2}";

    /// <summary>Median, least and most of few repeats.</summary>
    public static string Range(double[] sorted, double divisor) =>
        $"{sorted[sorted.Length / 2] / divisor:f1} [{sorted[0] / divisor:f1}-{sorted[^1] / divisor:f1}]";
}
