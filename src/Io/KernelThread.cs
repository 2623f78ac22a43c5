using System.Globalization;

namespace ClusterMesh.Datapath.Io;

/// <summary>What the kernel knows of a thread of this process (proc(5): stat, wchan, syscall).</summary>
public static class KernelThread
{
    /// <summary>The kernel's number of the calling thread.</summary>
    public static int OwnId => int.Parse(Path.GetFileName(new FileInfo("/proc/thread-self").LinkTarget!), CultureInfo.InvariantCulture);

    /// <summary>One part of a sentence: "sleeps (S) in do_epoll_wait, system call 281".</summary>
    public static string Describe(int thread)
    {
        string state = Read(thread, "stat") is { } stat && stat.LastIndexOf(')') is > 0 and int name && name + 2 < stat.Length ? stat.Substring(name + 2, 1) : "?";
        string word = state switch
        {
            "R" => "runs",
            "S" => "sleeps",
            "D" => "waits for a device",
            "T" or "t" => "was stopped by somebody",
            "Z" or "X" => "is dead",
            _ => "is in a state unknown",
        };
        string? place = Read(thread, "wchan");
        string? call = Read(thread, "syscall")?.Split(' ')[0];
        return $"{word} ({state})"
            + (place is null or "0" or "" ? "" : $" in {place}")
            + (call is null or "running" or "-1" ? "" : $", system call {call}");
    }

    /// <summary>Null for what cannot be read: the thread is gone, or the kernel does not say.</summary>
    private static string? Read(int thread, string file)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/self/task/{thread}/{file}")).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
