using System.Diagnostics;
using System.Globalization;

namespace ClusterMesh.Datapath.Cli.Upgrade;

/// <summary>
/// A forwarder that this command started in place of another: in a session of its own, with the other's directory, environment, streams and control
/// group. It tells by a file how its start goes: <c>waited MILLISECONDS</c>, <c>up</c>, or <c>failed SENTENCE</c>.
/// </summary>
internal sealed class StartedForwarder : IDisposable
{
    private const string ReportVariable = "CMESH_START_REPORT";
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(10);

    // Exec keeps the process id.
    private const string Script = """[ -z "$1" ] || echo $$ 2>/dev/null >"$1"; out=$2; err=$3; shift 3; exec setsid "$@" </dev/null >>"$out" 2>>"$err" """;

    private readonly Process _process;
    private readonly string _report;

    private StartedForwarder(Process process, string report)
    {
        _process = process;
        _report = report;
    }

    public int ProcessId => _process.Id;

    /// <summary>Packets waited for so many milliseconds, as it says; null when it has not taken over.</summary>
    public double? WaitedMilliseconds => Lines().Where(l => l.StartsWith("waited ", StringComparison.Ordinal))
        .Select(l => (double?)double.Parse(l["waited ".Length..], CultureInfo.InvariantCulture)).FirstOrDefault();

    /// <summary>Why it did not come up, without the program's name.</summary>
    public string Failure => Lines().FirstOrDefault(l => l.StartsWith("failed ", StringComparison.Ordinal))?["failed ".Length..]
        ?? (_process.HasExited ? _process.ExitCode > 128 ? $"it was ended by signal {_process.ExitCode - 128}" : $"it ended with exit code {_process.ExitCode}" : "");

    public bool IsUp => Lines().Contains("up");

    /// <param name="like">Whose place it takes.</param>
    /// <exception cref="UpgradeException">It cannot be started.</exception>
    public static StartedForwarder Start(string program, IEnumerable<string> arguments, RunningForwarder like)
    {
        string report = Path.Combine(Path.GetTempPath(), $"cmesh-upgrade-{Environment.ProcessId}-{Guid.NewGuid():N}");
        var start = new ProcessStartInfo("/bin/sh", ["-c", Script, "sh", ControlGroupOf(like), RunningForwarder.PathOf(like.Output.Out), RunningForwarder.PathOf(like.Output.Error), program, .. arguments])
        {
            WorkingDirectory = like.WorkingDirectory,
        };
        start.Environment.Clear();
        foreach ((string name, string value) in like.Environment)
        {
            start.Environment[name] = value;
        }

        start.Environment[ReportVariable] = report;
        File.WriteAllText(report, "");
        return new StartedForwarder(Process.Start(start) ?? throw new UpgradeException($"{program} could not be started"), report);
    }

    /// <summary>Waits until it is up, has ended, or the time is over.</summary>
    public async Task WaitAsync(TimeSpan limit, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        using var tick = new PeriodicTimer(s_look);
        while (!IsUp && !_process.HasExited && Stopwatch.GetElapsedTime(start) < limit)
        {
            await tick.WaitForNextTickAsync(cancellation);
        }
    }

    public async Task KillAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public void Dispose()
    {
        File.Delete(_report);
        _process.Dispose();
    }

    /// <summary>Where a process has itself entered into the other's group; empty where both are in one.</summary>
    private static string ControlGroupOf(RunningForwarder like)
    {
        string file = $"/sys/fs/cgroup{like.ControlGroup}/cgroup.procs";
        return like.ControlGroup.Length > 0 && like.ControlGroup != RunningForwarder.GroupOf("/proc/self") && File.Exists(file) ? file : "";
    }

    private string[] Lines()
    {
        string text = File.Exists(_report) ? File.ReadAllText(_report) : "";
        return text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries); // A line that is being written does not count yet.
    }
}
