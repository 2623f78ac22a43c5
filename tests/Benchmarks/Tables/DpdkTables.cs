using System.Diagnostics;
using System.Globalization;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Benchmarks.Tables;

/// <summary>DPDK's tables in a process of their own (native/dpdk-tables.c), built when this machine has libdpdk. Waits between two passes, so that ours can alternate with its.</summary>
internal sealed class DpdkTables : IDisposable
{
    private readonly Process _process;

    private DpdkTables(Process process) => _process = process;

    /// <summary>Builds, starts and loads it; null, and why, when DPDK is not here.</summary>
    public static DpdkTables? Start(string folder, int capacity)
    {
        (int code, string flags) = Command.TryRun("sh", "-c \"pkg-config --cflags --libs libdpdk\"");
        if (code != 0)
        {
            Console.WriteLine("tables: DPDK skipped: no DPDK (apt install libdpdk-dev)");
            return null;
        }

        string program = Path.Combine(folder, "dpdk-tables");
        Command.Run("cc", $"-O3 -march=native -o {program} {Path.Combine(RepositoryRoot(), "native/dpdk-tables.c")} {flags.Trim()}");
        var start = new ProcessStartInfo(program, $"{folder} {capacity}") { RedirectStandardInput = true, RedirectStandardOutput = true };
        var tables = new DpdkTables(Process.Start(start)!);
        string? line;
        while ((line = tables._process.StandardOutput.ReadLine()) != "ready")
        {
            if (line is null)
            {
                throw new InvalidOperationException("dpdk-tables ended before it was ready");
            }
        }

        return tables;
    }

    /// <summary>One pass over all look-ups.</summary>
    /// <param name="what">lpm, hash, or check (hash, with the sum of the flows' numbers).</param>
    public (double Nanoseconds, ulong Sum) Pass(string what, int burst)
    {
        _process.StandardInput.WriteLine($"{what} {burst}");
        string[] answer = _process.StandardOutput.ReadLine()?.Split(' ') ?? throw new InvalidOperationException("dpdk-tables has ended");
        return (double.Parse(answer[0], CultureInfo.InvariantCulture), ulong.Parse(answer[1], CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static string RepositoryRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Directory.Packages.props")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException($"no repository above {AppContext.BaseDirectory}");
    }
}
