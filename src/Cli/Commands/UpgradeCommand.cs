using System.CommandLine;
using System.Diagnostics;
using ClusterMesh.Datapath.Cli.Upgrade;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>
/// cmesh upgrade: starts another forwarder in the place of the one that runs, which goes on if the other cannot; and starts the former program again if
/// the other one dies behind the takeover.
/// </summary>
internal static class UpgradeCommand
{
    private const int DefaultLimitSeconds = 30;
    private static readonly TimeSpan s_versionLimit = TimeSpan.FromSeconds(10);

    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("upgrade", "Put another program in the place of the node's forwarder without losing a packet; the forwarder goes on if the other cannot.");
        Option<string?> program = new("--forwarder") { Description = "The program; the cmesh-forwarder beside this cmesh unless given.", HelpName = "PATH" };
        Option<int> limit = new("--limit") { Description = "Give up when the other has not come up by then.", HelpName = "SECONDS", DefaultValueFactory = _ => DefaultLimitSeconds };
        command.Add(program);
        command.Add(limit);
        command.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                string path = Path.GetFullPath(parsed.GetValue(program) ?? Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder"));
                screen.Output.WriteLine(await RunAsync(token => choice.ConnectAsync(parsed, token), path, TimeSpan.FromSeconds(parsed.GetValue(limit)), cancellation));
                return CommandLine.Ok;
            }
            catch (UpgradeException e)
            {
                screen.Error.WriteLine($"Error: {e.Message}");
                return CommandLine.Failed;
            }
        });
        return command;
    }

    private static async Task<string> RunAsync(Func<CancellationToken, Task<ControlClient>> connect, string program, TimeSpan limit, CancellationToken cancellation)
    {
        StatusReport before = await StatusAsync(connect, cancellation);
        string node = $"{before.Cluster}/{before.Node}";
        using RunningForwarder running = RunningForwarder.Read(before.ProcessId);
        if (running.KeepDirectory is null)
        {
            throw new UpgradeException($"{node}: process {before.ProcessId} was started without --keep, so that nothing of it can be taken over; start it again with --keep DIRECTORY");
        }

        string version = await VersionAsync(node, program, running, cancellation);
        using StartedForwarder started = StartedForwarder.Start(program, [.. running.Arguments, "--takeover"], running);
        await started.WaitAsync(limit, CancellationToken.None); // An interrupted upgrade is one that nobody watches over.
        if (started.IsUp && await AnswersAsync(connect, started.ProcessId, cancellation))
        {
            return $"{node}: {before.Version} (process {before.ProcessId}) is replaced by {version} (process {started.ProcessId}); packets waited {started.WaitedMilliseconds:0.0} ms";
        }

        bool isSilent = started.Failure.Length == 0;
        string failure = isSilent ? $"it was not up within {limit.TotalSeconds:0} s" : started.Failure;
        if (isSilent)
        {
            await started.KillAsync();
        }

        if (started.WaitedMilliseconds is null && running.IsAlive)
        {
            await CancelAsync(connect, cancellation);
            throw new UpgradeException($"{node}: {program} could not take over: {failure}; process {before.ProcessId} of version {before.Version} goes on");
        }

        await FallBackAsync(node, before, running, limit, $"{program} took over and failed: {failure}");
        throw new UnreachableException();
    }

    /// <summary>The former program once more, which takes up what the other one left.</summary>
    private static async Task FallBackAsync(string node, StatusReport before, RunningForwarder running, TimeSpan limit, string failure)
    {
        using StartedForwarder again = StartedForwarder.Start(running.Program, running.Arguments, running);
        await again.WaitAsync(limit, CancellationToken.None);
        throw new UpgradeException(again.IsUp
            ? $"{node}: {failure}; version {before.Version} was started again as process {again.ProcessId}, and its flows go on"
            : $"{node}: {failure}; and version {before.Version} could not be started again: {again.Failure}");
    }

    /// <summary>What the program says of itself; whatever is no forwarder is found out here.</summary>
    private static async Task<string> VersionAsync(string node, string program, RunningForwarder running, CancellationToken cancellation)
    {
        const string Name = "cmesh-forwarder ";
        string refused = $"{node}: {program} is no forwarder that can be started";
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(s_versionLimit);
            using Process process = Process.Start(new ProcessStartInfo(program, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            try
            {
                string text = await process.StandardOutput.ReadToEndAsync(limit.Token);
                await process.WaitForExitAsync(limit.Token);
                return process.ExitCode == 0 && text.StartsWith(Name, StringComparison.Ordinal)
                    ? text[Name.Length..].Trim()
                    : throw new UpgradeException($"{refused}: with --version it ends with exit code {process.ExitCode}; process {running.ProcessId} goes on");
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                process.Kill(entireProcessTree: true);
                throw new UpgradeException($"{refused}: with --version it says nothing within {s_versionLimit.TotalSeconds:0} s; process {running.ProcessId} goes on");
            }
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UpgradeException($"{refused}: {e.Message.TrimEnd('.')}; process {running.ProcessId} goes on");
        }
    }

    private static async Task<StatusReport> StatusAsync(Func<CancellationToken, Task<ControlClient>> connect, CancellationToken cancellation)
    {
        await using ControlClient client = await connect(cancellation);
        return await client.GetStatusAsync(cancellation);
    }

    private static async Task<bool> AnswersAsync(Func<CancellationToken, Task<ControlClient>> connect, int processId, CancellationToken cancellation)
    {
        try
        {
            return (await StatusAsync(connect, cancellation)).ProcessId == processId;
        }
        catch (Exception e) when (e is ControlException or ControlConnectionException)
        {
            return false;
        }
    }

    /// <summary>It takes changes again at once.</summary>
    private static async Task CancelAsync(Func<CancellationToken, Task<ControlClient>> connect, CancellationToken cancellation)
    {
        await using ControlClient client = await connect(cancellation);
        await client.CallAsync("takeover", new TakeoverRequest(TakeoverPhase.Cancel), ControlJson.Default.TakeoverRequest, ControlJson.Tolerant.TakeoverResult, cancellation);
    }
}
