using System.Diagnostics;
using System.Text;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>The program cmesh-forwarder as a person starts it; killed with the test if it still runs.</summary>
internal sealed class ForwarderProcess : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly StringBuilder _errors = new(); // guarded by itself
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _firstLine = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ForwarderProcess(World world, string arguments, IReadOnlyDictionary<string, string>? environment = null, string? before = null)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder");
        ProcessStartInfo start = new(before is null ? program : "sh", before is null ? WithWorkers(arguments) : $"-c \"{before} {program} {WithWorkers(arguments)}\"")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["CMESH_RUN_DIR"] = world.RunDirectory },
        };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _firstLine.TrySetResult(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null)
            {
                _ended.TrySetResult();
                return;
            }

            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += Kill;
    }

    /// <summary>Threads that every node of these tests forwards with; CMESH_WORKERS says how many.</summary>
    public static string Workers { get; } = Environment.GetEnvironmentVariable("CMESH_WORKERS") ?? "1";

    public int Id => _process.Id;

    /// <summary>Lines of the error stream so far.</summary>
    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>Starts a node and waits until it says that it is up.</summary>
    public static Task<ForwarderProcess> StartAsync(World world, string? nodeFile = null) =>
        StartAsync(world, $"--config {nodeFile ?? world.NodeFile()}", world.SocketPath);

    /// <summary>The same for any node.</summary>
    public static async Task<ForwarderProcess> StartAsync(World world, string arguments, string socketPath, IReadOnlyDictionary<string, string>? environment = null)
    {
        ForwarderProcess forwarder = new(world, arguments, environment);
        try
        {
            string line = await forwarder._firstLine.Task.WaitAsync(s_limit);
            Assert.True(line.EndsWith($"; control socket {socketPath}", StringComparison.Ordinal), line + forwarder.Errors);
            return forwarder;
        }
        catch
        {
            forwarder.Dispose();
            throw;
        }
    }

    /// <summary>The node in a control group (v1).</summary>
    public static Task<ForwarderProcess> StartInGroupAsync(World world, string arguments, string group) =>
        StartBehindAsync(world, arguments, $"echo 0 > {group}/cgroup.procs; exec");

    /// <summary>The node where clocks that count from boot stand so many seconds ahead of the machine's.</summary>
    public static Task<ForwarderProcess> StartAheadAsync(World world, string arguments, int seconds) => StartBehindAsync(world, arguments, Ahead(seconds));

    /// <summary>Runs the program there to its end.</summary>
    public static Task<(int Code, string Output, string Errors)> RunAheadAsync(World world, string arguments, int seconds) => RunAsync(world, arguments, Ahead(seconds));

    /// <summary>Runs the program to its end.</summary>
    /// <param name="before">What a shell does first, up to and with the word that becomes the program.</param>
    public static async Task<(int Code, string Output, string Errors)> RunAsync(World world, string arguments, string? before = null)
    {
        using ForwarderProcess forwarder = new(world, arguments, before: before);
        int code = await forwarder.EndAsync();
        return (code, await forwarder._firstLine.Task, forwarder.Errors);
    }

    private static string Ahead(int seconds) => $"exec unshare --time --monotonic {seconds} --boottime {seconds}";

    private static async Task<ForwarderProcess> StartBehindAsync(World world, string arguments, string before)
    {
        ForwarderProcess forwarder = new(world, arguments, before: before);
        try
        {
            string line = await forwarder._firstLine.Task.WaitAsync(s_limit);
            Assert.True(line.EndsWith($"; control socket {world.SocketPath}", StringComparison.Ordinal), line + forwarder.Errors);
            return forwarder;
        }
        catch
        {
            forwarder.Dispose();
            throw;
        }
    }

    public static Task<ControlClient> ConnectAsync(World world) => ControlClient.ConnectAsync(world.SocketPath);

    public void Signal(string name) => Command.Run("kill", $"-{name} {_process.Id}");

    /// <summary>Waits for the end of the process; its exit code.</summary>
    /// <param name="waitForStreams">False when another process has its streams, too.</param>
    public async Task<int> EndAsync(bool waitForStreams = true)
    {
        if (!waitForStreams)
        {
            Assert.True(await Task.Run(() => _process.WaitForExit(s_limit)), "the process does not end"); // With a limit it waits for no stream.
            return _process.ExitCode;
        }

        await _process.WaitForExitAsync().WaitAsync(s_limit);
        await _ended.Task.WaitAsync(s_limit);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= Kill;
        Kill(null, EventArgs.Empty);
        _process.Dispose();
    }

    /// <summary>A test that gives --workers itself, or makes a mistake on the command line, is left alone.</summary>
    private static string WithWorkers(string arguments) =>
        Workers != "1" && arguments.StartsWith("--config ", StringComparison.Ordinal) && !arguments.Contains("--workers", StringComparison.Ordinal)
            ? $"{arguments} --workers {Workers}" : arguments;

    private void Kill(object? sender, EventArgs e)
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }
    }
}
