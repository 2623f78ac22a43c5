using System.Globalization;

namespace ClusterMesh.Datapath.Io;

/// <summary>Tells a process from a later one with the same number, and this boot from others.</summary>
internal static class ProcessIdentity
{
    private const int StartField = 19; // behind the name in parentheses; field 22 of proc(5), stat
    private const long NanosecondsPerTick = 10_000_000; // USER_HZ is 100 on every machine that .NET runs on

    public static Guid Boot => Guid.Parse(File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    /// <summary>The process that began then still runs.</summary>
    /// <param name="start">As <see cref="StartOf"/> told it, perhaps to a process in another time namespace: offsets that are no whole ticks cost one.</param>
    public static bool IsRunning(int id, ulong start) => StartOf(id) is > 0 and ulong now && (now > start ? now - start : start - now) <= 1;

    /// <summary>When the process began, in ticks since the machine's boot, whatever time namespace we are in; 0 for one that is gone or dead.</summary>
    public static ulong StartOf(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? 0 : (ulong)(long.Parse(fields[StartField], CultureInfo.InvariantCulture) - (TimeNamespace.Boot / NanosecondsPerTick));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
