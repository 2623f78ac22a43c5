using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace ClusterMesh.Datapath.Cli.Upgrade;

/// <summary>
/// How a forwarder that runs was started, as the kernel has it (proc(5)): enough to start another one like it, also when it has gone meanwhile.
/// </summary>
/// <param name="Program">Its executable file.</param>
/// <param name="Arguments">Its own, without --takeover.</param>
/// <param name="ControlGroup">Of version 2, below its mount; empty where there is none.</param>
/// <param name="Output">Its two streams, held open; null for a socket, which cannot be opened a second time.</param>
internal sealed record RunningForwarder(
    int ProcessId, ulong StartedAt, string Program, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string WorkingDirectory,
    string ControlGroup, (SafeFileHandle? Out, SafeFileHandle? Error) Output) : IDisposable
{
    private const int StartField = 19; // field 22 of stat, counted behind the name in brackets

    /// <summary>The directory in which it keeps its flows; null when it keeps none.</summary>
    public string? KeepDirectory
    {
        get
        {
            int at = Arguments.ToList().IndexOf("--keep");
            return at >= 0 && at + 1 < Arguments.Count ? Path.Combine(WorkingDirectory, Arguments[at + 1]) : null;
        }
    }

    public bool IsAlive => StartOf(ProcessId) == StartedAt;

    /// <exception cref="UpgradeException">It is gone, another user's, or in namespaces of its own.</exception>
    public static RunningForwarder Read(int processId)
    {
        string proc = $"/proc/{processId.ToString(CultureInfo.InvariantCulture)}";
        try
        {
            foreach (string ns in (string[])["net", "mnt", "pid"])
            {
                if (File.ResolveLinkTarget($"{proc}/ns/{ns}", false)?.Name != File.ResolveLinkTarget($"/proc/self/ns/{ns}", false)?.Name)
                {
                    throw new UpgradeException($"process {processId} runs in another {ns} namespace than this command; say it there (nsenter -t {processId} -a)");
                }
            }

            string[] words = File.ReadAllText($"{proc}/cmdline").TrimEnd('\0').Split('\0');
            int own = Array.FindIndex(words, w => w.StartsWith("--", StringComparison.Ordinal));
            string program = File.ResolveLinkTarget($"{proc}/exe", false)!.FullName.Replace(" (deleted)", "", StringComparison.Ordinal);
            string[] leading = own > 1 ? words[1..own] : []; // dotnet cmesh-forwarder.dll
            var environment = File.ReadAllText($"{proc}/environ").Split('\0', StringSplitOptions.RemoveEmptyEntries)
                .Select(e => e.Split('=', 2)).Where(e => e.Length == 2).DistinctBy(e => e[0]).ToDictionary(e => e[0], e => e[1]);
            return new RunningForwarder(
                processId,
                StartOf(processId),
                program,
                [.. leading, .. words[Math.Max(own, 0)..].Where(w => w != "--takeover")],
                environment,
                File.ResolveLinkTarget($"{proc}/cwd", false)!.FullName,
                GroupOf(proc),
                (StreamOf(proc, 1), StreamOf(proc, 2)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NullReferenceException)
        {
            throw new UpgradeException($"process {processId}: {e.Message}; run cmesh as root or as the forwarder's user");
        }
    }

    /// <summary>When a process began, in ticks since boot; 0 for one that is gone.</summary>
    public static ulong StartOf(int processId)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{processId.ToString(CultureInfo.InvariantCulture)}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? 0 : ulong.Parse(fields[StartField], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>The control group of a process, by its directory below /proc.</summary>
    public static string GroupOf(string proc) =>
        File.ReadLines($"{proc}/cgroup").FirstOrDefault(l => l.StartsWith("0::", StringComparison.Ordinal))?["0::".Length..].TrimEnd('/') ?? "";

    /// <summary>Where another process finds a stream for appending.</summary>
    public static string PathOf(SafeFileHandle? stream) =>
        stream is null ? "/dev/null" : string.Create(CultureInfo.InvariantCulture, $"/proc/{System.Environment.ProcessId}/fd/{stream.DangerousGetHandle()}");

    public void Dispose()
    {
        Output.Out?.Dispose();
        Output.Error?.Dispose();
    }

    private static SafeFileHandle? StreamOf(string proc, int number)
    {
        string target = File.ResolveLinkTarget($"{proc}/fd/{number}", false)?.Name ?? "";
        return target.StartsWith("socket:", StringComparison.Ordinal) || target.Length == 0 ? null
            : File.OpenHandle($"{proc}/fd/{number}", FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
    }
}
