using System.Globalization;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// How far the clocks of this process stand ahead of the machine's. A time namespace moves them, as containers and restored processes have it: what is
/// written for other processes is told in the machine's time. Source: time_namespaces(7).
/// </summary>
internal static class TimeNamespace
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Of CLOCK_MONOTONIC, in nanoseconds.</summary>
    public static readonly long Monotonic;

    /// <summary>Of CLOCK_BOOTTIME, by which the kernel tells when a process began, in nanoseconds.</summary>
    public static readonly long Boot;

    static TimeNamespace() => (Monotonic, Boot) = Read();

    /// <summary>Both offsets of the lines that the kernel gives: a clock's name, seconds, and nanoseconds that are never negative.</summary>
    internal static (long Monotonic, long Boot) Parse(IEnumerable<string> lines)
    {
        (long monotonic, long boot) = (0L, 0L);
        foreach (string line in lines)
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length != 3 || !long.TryParse(words[1], CultureInfo.InvariantCulture, out long seconds) || !long.TryParse(words[2], CultureInfo.InvariantCulture, out long rest))
            {
                continue;
            }

            long offset = (seconds * NanosecondsPerSecond) + rest;
            (monotonic, boot) = words[0] switch
            {
                "monotonic" => (offset, boot),
                "boottime" => (monotonic, offset),
                _ => (monotonic, boot),
            };
        }

        return (monotonic, boot);
    }

    private static (long Monotonic, long Boot) Read()
    {
        try
        {
            // The file tells of the namespace of children to come. That is ours too unless somebody has just left it, and then ours is the machine's.
            return new FileInfo("/proc/self/ns/time").LinkTarget == new FileInfo("/proc/self/ns/time_for_children").LinkTarget
                ? Parse(File.ReadLines("/proc/self/timens_offsets")) : (0, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (0, 0); // This kernel has no time namespaces.
        }
    }
}
