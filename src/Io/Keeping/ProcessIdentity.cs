using System.Globalization;

namespace ClusterMesh.Datapath.Io;

/// <summary>Tells a process from a later one with the same number, and this boot from others.</summary>
internal static class ProcessIdentity
{
    private const int StartField = 19; // behind the name in parentheses; field 22 of proc(5), stat

    public static Guid Boot => Guid.Parse(File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    /// <summary>When the process began, in ticks since boot; 0 for one that is gone or dead.</summary>
    public static ulong StartOf(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? 0 : ulong.Parse(fields[StartField], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
