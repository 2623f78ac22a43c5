using System.Globalization;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// What a node's tables take of the memory that its control group allows (memory.max, or memory.limit_in_bytes of version 1). A table that does not
/// fit is said before anything is made: the kernel would kill the process later, in the middle of its work.
/// </summary>
/// <param name="TableBytes">Of the flow tables of all workers, which are there from the start.</param>
/// <param name="LimitBytes">The least limit of the group and those above it; null for none.</param>
internal sealed record MemoryBudget(long TableBytes, long? LimitBytes)
{
    /// <summary>Program, runtime, frames and the process that opens ports: some 70 MiB were measured (docs/reliability.md), and configuration comes on top.</summary>
    internal const long ProgramBytes = 96L << 20;

    /// <summary>Of <see cref="ProgramBytes"/>, what is not of the collected heap: code, threads' stacks, rings.</summary>
    private const long OutsideHeapBytes = 48L << 20;

    private const string OwnGroups = "/proc/self/cgroup";
    private const string Mounts = "/sys/fs/cgroup";

    private const double Mega = 1 << 20;

    /// <summary>For <c>DOTNET_GCHeapHardLimit</c>, which the runtime reads at its start: what is left of the limit beside code and stacks. Without it the runtime takes
    /// three quarters of the limit, also where the tables, which lie on its heap, need more. Null also for a limit that no node fits into: the runtime would end without a word.</summary>
    public long? HeapLimit => LimitBytes >= ProgramBytes ? LimitBytes - OutsideHeapBytes : null;

    public bool Fits => LimitBytes is null || TableBytes + ProgramBytes <= LimitBytes;

    /// <summary>Of the program alone, before the node is known.</summary>
    public static MemoryBudget OfProgram() => new(0, LimitOf(OwnGroups, Mounts));

    public static MemoryBudget Of(LocalNodeSpec local, int workerCount) => new(
        FlowFile.LengthOf(workerCount, FlowSizes.For(
            NodeKeeping.Share(local.ConntrackEntries, workerCount), NodeKeeping.Share(local.SnatEntries, workerCount), NodeKeeping.Share(local.AffinityEntries, workerCount))),
        LimitOf(OwnGroups, Mounts));

    /// <exception cref="ConfigurationException">The tables do not fit.</exception>
    public void Require(string file)
    {
        if (!Fits)
        {
            throw new ConfigurationException(string.Create(CultureInfo.InvariantCulture,
                $"{file}: tables: they take {TableBytes / Mega:0} MiB and the program {ProgramBytes / Mega:0} MiB, but the control group allows {LimitBytes / Mega:0} MiB; make conntrackEntries or snatEntries smaller, or the limit larger"));
        }
    }

    /// <summary>One line for the log; null where there is no limit.</summary>
    public string? Describe() => LimitBytes is null ? null : string.Create(CultureInfo.InvariantCulture,
        $"memory: tables take {TableBytes / Mega:0} MiB of the {LimitBytes / Mega:0} MiB that the control group allows");

    /// <param name="groups">As /proc/self/cgroup (cgroups(7)): number, controllers, path.</param>
    /// <param name="mounts">Where control groups are mounted.</param>
    internal static long? LimitOf(string groups, string mounts)
    {
        long? least = null;
        foreach (string[] group in File.Exists(groups) ? File.ReadLines(groups).Select(l => l.Split(':', 3)).Where(g => g.Length == 3) : [])
        {
            bool isSecond = group[0] == "0" && group[1].Length == 0;
            if (!isSecond && !group[1].Split(',').Contains("memory"))
            {
                continue;
            }

            string file = isSecond ? "memory.max" : "memory.limit_in_bytes";
            string root = isSecond ? mounts : Path.Combine(mounts, "memory");

            // In a container the path may be one of outside: then the root is the container's own.
            for (string? path = group[2].TrimEnd('/'); path is not null; path = path.Length == 0 ? null : path[..Math.Max(0, path.LastIndexOf('/'))])
            {
                if (Read(Path.Combine(root + path, file)) is { } limit && limit < (least ?? long.MaxValue))
                {
                    least = limit;
                }
            }
        }

        return least;
    }

    /// <summary>Null for no file and for no limit: "max", or a figure near 2^63.</summary>
    private static long? Read(string file)
    {
        try
        {
            return File.Exists(file) && long.TryParse(File.ReadAllText(file).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && bytes < long.MaxValue / 2 ? bytes : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
