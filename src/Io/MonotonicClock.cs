using System.Diagnostics;

namespace ClusterMesh.Datapath.Io;

/// <summary>The time that workers read once a burst and pass down: it never steps back and knows no date.</summary>
public static class MonotonicClock
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>
    /// Nanoseconds since some fixed moment of this boot (CLOCK_MONOTONIC), the same for all processes of the machine: kept flows are of another one, whose
    /// time namespace may differ.
    /// </summary>
    public static long Nanoseconds => (Stopwatch.Frequency == NanosecondsPerSecond
        ? Stopwatch.GetTimestamp()
        : (long)((Int128)Stopwatch.GetTimestamp() * NanosecondsPerSecond / Stopwatch.Frequency)) - TimeNamespace.Monotonic;
}
