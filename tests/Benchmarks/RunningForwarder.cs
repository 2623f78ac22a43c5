using System.Diagnostics;
using System.Globalization;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>A forwarder as it is run, without devices: a process of its own with one worker, told by its control socket.</summary>
internal sealed class RunningForwarder : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _directory;

    private RunningForwarder(Process process, string directory, ControlClient client)
    {
        _process = process;
        _directory = directory;
        Client = client;
    }

    public ControlClient Client { get; }

    /// <summary>Of the whole process since its start: means something on a busy machine, too.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Bytes of memory that the process has now.</summary>
    public long ResidentBytes => StatusOf("VmRSS:");

    /// <summary>The most it ever had.</summary>
    public long MostResidentBytes => StatusOf("VmHWM:");

    /// <summary>What ./run-lab.sh has built; null when it has not.</summary>
    public static string? FindProgram()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            string program = Path.Combine(at.FullName, "bin", "cmesh-forwarder");
            if (File.Exists(program) && File.Exists(Path.Combine(at.FullName, "run-lab.sh")))
            {
                return program;
            }
        }

        return null;
    }

    public static async Task<RunningForwarder> StartAsync(string program)
    {
        string directory = Directory.CreateTempSubdirectory("cmesh-benchmark-").FullName;
        string socket = Path.Combine(directory, "control.sock");
        string file = Path.Combine(directory, "node.yaml");
        await File.WriteAllTextAsync(file, $"""
            node: {"{"}name: west-worker, cluster: west, clusterId: 1, addresses: [172.18.0.5/16], podCIDRs: [10.0.1.0/24]{"}"}
            socket: {socket}
            tables: {"{"}conntrackEntries: 4096, snatEntries: 4096{"}"}
            """);
        Process process = Process.Start(new ProcessStartInfo(program, ["--config", file]) { RedirectStandardOutput = true })!;

        // It says in a line that it is up; without one it has said on its error output why it is not.
        string? up = await process.StandardOutput.ReadLineAsync();
        return up is not null
            ? new RunningForwarder(process, directory, await ControlClient.ConnectAsync(socket))
            : throw new InvalidOperationException($"{program} did not start");
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private long StatusOf(string field)
    {
        string line = File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line[field.Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) * 1024;
    }
}
