using System.Globalization;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Processor time of the workers' threads, as the kernel has it (/proc/self/task/TID/schedstat): asking costs the workers nothing.</summary>
internal static class WorkerTimes
{
    /// <summary>Nanoseconds on a processor since the thread began; null where the kernel does not say.</summary>
    /// <param name="worker">The thread's name.</param>
    public static ulong? BusyOf(string worker)
    {
        try
        {
            foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
            {
                if (File.ReadAllText(Path.Combine(task, "comm")).Trim() == worker)
                {
                    string text = File.ReadAllText(Path.Combine(task, "schedstat"));
                    return ulong.Parse(text.AsSpan(0, text.IndexOf(' ', StringComparison.Ordinal)), NumberStyles.None, CultureInfo.InvariantCulture);
                }
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException or ArgumentOutOfRangeException)
        {
            // A thread ended meanwhile, or a kernel without these figures.
        }

        return null;
    }
}
